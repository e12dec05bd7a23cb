"""mcm_fast: a learned image codec whose streams are exact, fast to decode and safe to read.

stream = mcm_fast.compress(image, quality=50)     # (3, H, W) uint8, or float in [0, 1] -> bytes
image = mcm_fast.decompress(stream)               # uint8 (3, H, W)
"""

from __future__ import annotations

import importlib

__version__ = "0.1.0"

_PLACES = {
    "BitstreamError": "errors",
    "Codec": "codec",
    "Latents": "latents",
    "compress": "api",
    "decompress": "api",
    "info": "api",
    "load": "api",
    "models": "api",
}
__all__ = sorted(_PLACES)


def __getattr__(name: str):
    # Loaded when first used: `mcm-fast --help` and training need neither torch nor the extension.
    if name not in _PLACES:
        raise AttributeError(f"module 'mcm_fast' has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_PLACES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
