"""MosaicML streaming: `mcm`, an encoding of MDS's columns, known once this is imported.

    with MDSWriter(out="out", columns={"image": "mcm:50", "label": "int"}) as writer:
        writer.write({"image": image, "label": 7})
    dataset = StreamingDataset(local="out", batch_size=1)            # sample["image"]: (C, H, W)

Parameters follow the name, `mcm:QUALITY:EFFORT:KIND:RENDERING`; by default they are 50, 0, torch
and faithful. Workers that a loader spawns know the encoding where the main program imports this at
its top.
"""

from __future__ import annotations

import re
from typing import Any

from streaming.base.format.mds.encodings import Encoding, _encodings

from ..inputs import check_effort, check_quality
from ..presets import FAITHFUL
from .pictures import Kind, check_kind, decode, encode

NAME = "mcm"
PARAMETERS = re.compile(r"([\d.]+)(?::(\d))?(?::([a-z]+)(?::([^\W\d]\w*))?)?")


class McmEncoding(Encoding):
    """Tensors (C, H, W), arrays (H, W, C), images of Pillow -> streams -> pictures of a kind,
    "torch" (C, H, W), "numpy" (H, W, C) or "pil", painted by a rendering of their model. What is
    bytes already MDS stores as it is."""

    def __init__(
        self,
        quality: float = 50.0,
        effort: int = 0,
        kind: Kind = "torch",
        rendering: str = FAITHFUL,
    ) -> None:
        self.quality = check_quality(quality) / 100
        self.effort, self.kind = check_effort(effort, None), check_kind(kind)
        self.rendering = rendering

    @classmethod
    def from_str(cls, text: str) -> McmEncoding:
        """From what follows the name, such as "50", "50:1" or "50:pil:fast". Raises ValueError."""
        match = PARAMETERS.fullmatch(text)
        if match is None:
            raise ValueError(
                f"the encoding is {NAME}:QUALITY:EFFORT:KIND:RENDERING, not {NAME}:{text}"
            )
        quality, effort, kind, rendering = match.groups("")
        parameters: list[Any] = [quality, int(effort or 0), kind or "torch", rendering or FAITHFUL]
        return cls(*parameters)

    def encode(self, obj: Any) -> bytes:
        return encode(obj, self.quality, self.effort)

    def decode(self, data: bytes) -> Any:
        return decode(data, self.kind, self.rendering)


_encodings[NAME] = McmEncoding
