"""WebDataset: `.mcm` members of tar shards.

dataset = wds.WebDataset(urls).decode(decoder("torch"))         # sample["mcm"]: (C, H, W)
with wds.TarWriter("000.tar", encoder=encoder(quality=50)) as writer:
    writer.write({"__key__": "a", "mcm": image, "cls": 7})
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..presets import FAITHFUL
from .pictures import Kind, check_kind, decode, encode


def decoder(kind: Kind = "torch", rendering: str = FAITHFUL) -> Callable[[str, bytes], Any]:
    """A handler for `WebDataset.decode`: pictures for members whose extension is mcm, None for
    others. They come as "torch" (C, H, W), "numpy" (H, W, C) or "pil", painted by a rendering of
    their model."""
    return _Decoder(check_kind(kind), rendering)


def encoder(quality: float = 50.0, effort: int = 0) -> dict[str, Callable[[Any], bytes]]:
    """Handlers for `TarWriter(encoder=...)`: WebDataset's own, and streams for pictures of key mcm
    (tensors (C, H, W), arrays (H, W, C), images of Pillow, or streams)."""
    from webdataset.writer import default_handlers

    return {**default_handlers, "mcm": lambda image: encode(image, quality, effort)}


class _Decoder:
    """An object, that travels to the workers of a loader however they are started."""

    def __init__(self, kind: Kind, rendering: str) -> None:
        self.kind, self.rendering = kind, rendering

    def __call__(self, key: str, data: bytes) -> Any:
        ours = key.rpartition(".")[2].lower() == "mcm"
        return decode(data, self.kind, self.rendering) if ours else None
