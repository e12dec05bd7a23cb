"""Bit depths: 16 bits become 8 by rounding, in every mode; what cannot says what it is."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image, ImageFile

from .notes import note

_NATIVE = "L" if sys.byteorder == "little" else "B"
_SWAPPED = {"L": "B", "B": "L"}
_SHORT_GRAY = {"L;2": 85, "L;4": 17}


def raw_mode(image: Image.Image) -> str:
    """How an image that is not loaded yet lies in its file, in Pillow's words; "" if untold."""
    tiles = image.tile if isinstance(image, ImageFile.ImageFile) else []
    arguments = tiles[0].args if tiles else ""
    mode = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return mode if isinstance(mode, str) else ""


def eight_bits(image: Image.Image, raw: str, open_again: Callable[[], Image.Image]) -> Image.Image:
    """The loaded image with 8 bits a channel.

    Args:
        image: the loaded image.
        raw: its `raw_mode`.
        open_again: opens the file anew: Pillow keeps only the upper half of 16-bit colours.

    Raises ValueError for floating-point and 32-bit pixels.
    """
    if raw in _SHORT_GRAY and isinstance(image.info.get("transparency"), int):
        image.info["transparency"] *= _SHORT_GRAY[raw]  # Pillow scales the pixels alone
    values = _deep(image, raw, open_again)
    if values is None:
        return image
    note("16 bits a channel are rounded to 8")
    transparent = image.info.get("transparency")
    rounded = ((values.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    if transparent is not None:
        opaque = ~np.all(values == np.array(transparent), axis=2, keepdims=True)
        rounded = np.concatenate([rounded, opaque.astype(np.uint8) * 255], axis=2)
    mode = {1: "L", 2: "LA", 3: "RGB", 4: "CMYK" if image.mode == "CMYK" else "RGBA"}
    small = Image.frombytes(
        mode[rounded.shape[2]], image.size, np.ascontiguousarray(rounded).tobytes()
    )
    small.info = {key: value for key, value in image.info.items() if key != "transparency"}
    return small


def _deep(image: Image.Image, raw: str, open_again: Callable[[], Image.Image]) -> np.ndarray | None:
    """All bits of a 16-bit image, uint16 (height, width, channels); None for any other."""
    if image.mode == "F":
        raise ValueError("floating-point pixels: convert the image to 8 or 16 bits first")
    if image.mode == "I" and image.format != "PPM":
        raise ValueError("32-bit or signed pixels: convert the image to 8 or 16 bits first")
    if image.mode.startswith("I"):
        return np.asarray(image).astype(np.uint16)[..., None]
    mode, _, rest = raw.partition(";")
    if rest not in ("16B", "16L", "16N"):
        return None
    if raw == "LA;16B":  # four bytes: two of gray, two of alpha
        pairs = np.asarray(_decoded(open_again(), "RGBA")).astype(np.uint16)
        return pairs[..., ::2] << 8 | pairs[..., 1::2]
    if mode not in ("RGB", "RGBA", "CMYK"):
        note("of 16 bits a channel 8 are taken")
        return None
    low = _decoded(open_again(), f"{mode};16{_SWAPPED[rest[-1].replace('N', _NATIVE)]}")
    return np.asarray(image).astype(np.uint16) << 8 | np.asarray(low)


def _decoded(image: Image.Image, raw: str) -> Image.Image:
    """The image decoded as if it lay in its file as `raw` says."""
    assert isinstance(image, ImageFile.ImageFile)
    image.tile = [tile._replace(args=_renamed(tile.args, raw)) for tile in image.tile]
    image.load()
    return image


def _renamed(arguments: Any, raw: str) -> Any:
    return (raw, *arguments[1:]) if isinstance(arguments, tuple) else raw
