"""LitData: pictures in optimized data sets as streams.

    cache = litdata.streaming.Cache("out", chunk_bytes="64MB", serializers=serializers())
    dataset = litdata.StreamingDataset("out", serializers=serializers())

What `litdata.optimize` stores as bytes can be read so, too: streams become pictures.
"""

from __future__ import annotations

from typing import Any

from litdata.streaming.serializers import BytesSerializer, Serializer

from ..presets import FAITHFUL
from .pictures import Kind, check_kind, decode, encode, is_stream


class McmSerializer(Serializer):
    """Images of Pillow, uint8 tensors (C, H, W) of 1 to 4 channels and streams <-> streams, which a
    rendering of their model paints.

    Other data are left to other serializers.
    """

    def __init__(
        self,
        quality: float = 50.0,
        effort: int = 0,
        kind: Kind = "torch",
        rendering: str = FAITHFUL,
    ) -> None:
        self.quality, self.effort = quality, effort
        self.kind, self.rendering = check_kind(kind), rendering

    def serialize(self, data: Any) -> tuple[bytes, str | None]:
        return encode(data, self.quality, self.effort), None

    def deserialize(self, data: bytes) -> Any:
        return decode(bytes(data), self.kind, self.rendering)

    def can_serialize(self, data: Any) -> bool:
        import torch
        from PIL import Image

        if isinstance(data, torch.Tensor):
            return data.dtype == torch.uint8 and data.dim() == 3 and 1 <= len(data) <= 4
        return isinstance(data, Image.Image) or is_stream(data)


class _StreamsAmongBytes(BytesSerializer):
    """What was stored as bytes: streams become pictures, the rest stays bytes."""

    def __init__(self, kind: Kind, rendering: str) -> None:
        super().__init__()
        self.kind, self.rendering = kind, rendering

    def deserialize(self, data: bytes) -> Any:
        data = bytes(data)
        return decode(data, self.kind, self.rendering) if is_stream(data) else data


def serializers(
    quality: float = 50.0, effort: int = 0, kind: Kind = "torch", rendering: str = FAITHFUL
) -> dict[str, Serializer]:
    """What `Cache` and `StreamingDataset` take as `serializers`."""
    ours = McmSerializer(quality, effort, kind, rendering)
    return {"mcm": ours, "bytes": _StreamsAmongBytes(kind, rendering)}
