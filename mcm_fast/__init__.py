"""mcm_fast: a learned image codec whose streams are exact, fast to decode and safe to read.

stream = mcm_fast.compress(image, quality=50)     # (3, H, W) uint8, or float in [0, 1] -> bytes
image = mcm_fast.decompress(stream)               # uint8 (3, H, W)
array = mcm_fast.imread("photo.mcm")              # uint8 (H, W, 3), without torch
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import (
        compress,
        compress_many,
        decompress,
        decompress_many,
    )
    from .codec import Codec
    from .errors import BitstreamError, Reason
    from .installed import load, models
    from .latents import Latents
    from .pixel_decoder import PixelDecoder
    from .reading import imread, info, read_metadata

__version__ = "0.1.0"

_PLACES = {
    "BitstreamError": "errors",
    "Codec": "codec",
    "Latents": "latents",
    "PixelDecoder": "pixel_decoder",
    "Reason": "errors",
    "compress": "api",
    "compress_many": "api",
    "decompress": "api",
    "decompress_many": "api",
    "imread": "reading",
    "info": "reading",
    "load": "installed",
    "models": "installed",
    "read_metadata": "reading",
}
_MODULES = ("symbols",)
__all__ = [
    "BitstreamError",
    "Codec",
    "Latents",
    "PixelDecoder",
    "Reason",
    "compress",
    "compress_many",
    "decompress",
    "decompress_many",
    "imread",
    "info",
    "load",
    "models",
    "read_metadata",
]


def __getattr__(name: str) -> Any:
    # Loaded when first used: `mcm-fast --help` and training need neither torch nor the extension.
    if name in _MODULES:
        return importlib.import_module(f".{name}", __name__)
    if name not in _PLACES:
        raise AttributeError(f"module 'mcm_fast' has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_PLACES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__, *_MODULES])
