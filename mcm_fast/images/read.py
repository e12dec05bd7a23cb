"""Image files as they come -> upright 8-bit RGB tensors, and what describes them."""

from __future__ import annotations

import functools
import io
import os
import warnings
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal

import numpy as np
from PIL import Image, ImageColor, UnidentifiedImageError

from ..inputs import check_pixels
from ..limits import MAX_PIXELS
from . import damage, depth
from .coding import coding_of
from .colour import to_rgb
from .formats import foreign, readable
from .metadata import metadata_of
from .notes import reason
from .orientation import exif_of, orientation_of, upright
from .pages import choose_page

if TYPE_CHECKING:
    import torch

Source = str | os.PathLike[str] | IO[bytes]
Channels = Literal["rgb", "own"]


def read_image(
    source: Source,
    background: str | None = None,
    max_pixels: int = MAX_PIXELS,
    *,
    accept_damaged: bool = False,
    strip: bool = False,
    channels: Channels = "rgb",
) -> tuple[torch.Tensor, dict[str, bytes]]:
    """The uint8 image (C, height, width) of a file, and its metadata.

    Args:
        source: a path, or a binary file, which is read from its beginning where it can seek.
        background: the colour that transparency is laid over, as Pillow's ImageColor spells it.
        max_pixels: larger images are refused before their pixels are looked at.
        accept_damaged: take what there is of a file of which a part is missing or broken.
        strip: leave the metadata out; the pixels are converted to sRGB instead.
        channels: "rgb": C is 3, and transparency needs a background. "own": as the picture has
            them, 1 (gray), 2 (gray and alpha), 3 (RGB) or 4 (RGBA).

    Returns: the image, and `icc_profile`, `exif` (from its TIFF header on, without orientation),
    `xmp` and `cicp`, as many of them as there are. docs/pictures.md tells what becomes of each
    kind of picture. Whatever is left out or converted is a UserWarning.

    Raises OSError when the file cannot be opened; `NotAnImage` for bytes of no format that is read,
    `DamagedImage`, and other ValueErrors for what is not one still picture, is transparent without
    a background, or is larger than `max_pixels`.
    """
    import torch  # here, so that a program without it can write pictures

    colour = None if background is None else ImageColor.getrgb(background)[:3]
    data = _bytes_of(source)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit is ours
            pixels, found = _read(data, colour, max_pixels, accept_damaged, strip, channels)
            return torch.from_numpy(pixels), found
    except (ValueError, MemoryError):
        raise
    except Exception as error:  # Pillow's decoders raise anything over damaged files
        raise ValueError(f"not a readable image: {reason(error)}") from error


def _bytes_of(source: Source) -> bytes:
    if isinstance(source, str | os.PathLike):
        return Path(source).read_bytes()
    if hasattr(source, "seekable") and source.seekable():  # not all that can read have it
        source.seek(0)
    return source.read()


def _read(
    data: bytes,
    colour: tuple[int, ...] | None,
    max_pixels: int,
    accept_damaged: bool,
    strip: bool,
    channels: Channels,
) -> tuple[np.ndarray, dict[str, bytes]]:
    first = _open(data, 0)
    check_pixels(*first.size, max_pixels)
    open_again = functools.partial(_open, data, choose_page(first, data))
    opened = open_again()
    check_pixels(*opened.size, max_pixels)
    raw = depth.raw_mode(opened)
    loaded = damage.load(open_again, data, accept_damaged)
    coding = coding_of(loaded, data)
    exif = exif_of(loaded)
    orientation = orientation_of(exif, loaded)
    metadata = {} if strip else metadata_of(loaded, exif)
    image, colours = to_rgb(depth.eight_bits(loaded, raw, open_again), coding, strip)
    image = upright(image, orientation)
    if channels == "rgb" or colour is not None:
        image = _flatten(image, colour)
    pixels = np.array(image).transpose(2, 0, 1)
    if channels == "own" and not colours and _is_gray(pixels):
        pixels = _gray(pixels)
    return np.ascontiguousarray(pixels), colours | metadata


def of_pillow(
    image: Image.Image, max_pixels: int = MAX_PIXELS
) -> tuple[np.ndarray, dict[str, bytes]]:
    """The uint8 image (C, height, width) of one of Pillow's, and `icc_profile` where it has one.

    C is 1, 2, 3 or 4 for the modes L, LA, RGB and RGBA; others are converted, 16 bits to 8 and
    other colours to sRGB. Its Exif is not looked at, nor its orientation. Raises ValueError for
    floating-point or 32-bit pixels, and for an image larger than `max_pixels`.
    """
    check_pixels(*image.size, max_pixels)
    mode, copied = image.mode, image.copy()
    eight = depth.eight_bits(copied, "", copied.copy)
    converted, colours = to_rgb(eight, None)
    if mode in ("LA", "RGBA") and converted.mode == "RGB":
        converted.putalpha(255)
    pixels = np.array(converted).transpose(2, 0, 1)
    if not colours and (mode in ("1", "L", "LA", "La") or mode.startswith("I")):
        pixels = _gray(pixels)
    return np.ascontiguousarray(pixels), colours


def _gray(pixels: np.ndarray) -> np.ndarray:
    """RGB or RGBA whose colours are gray -> gray, with alpha if there is one."""
    return pixels[[0, *range(3, len(pixels))]]


def _is_gray(pixels: np.ndarray) -> bool:
    red, green, blue = pixels[:3]
    return np.array_equal(red, green) and np.array_equal(green, blue)


def _open(data: bytes, page: int) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(data), formats=readable())
    except UnidentifiedImageError:
        raise foreign(data) from None
    if page:
        image.seek(page)
    return image


def _flatten(image: Image.Image, colour: tuple[int, ...] | None) -> Image.Image:
    """Lay a transparent image over `colour`."""
    if image.mode == "RGB":
        return image
    if colour is None:
        raise ValueError("the image is transparent: name a background colour to lay it over")
    below = Image.new("RGBA", image.size, (*colour, 255))
    return Image.alpha_composite(below, image).convert("RGB")
