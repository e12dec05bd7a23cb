"""How large an image may be, decided before any memory is taken for it."""

from __future__ import annotations

MAX_PIXELS = 2**28  # of an image that is compressed or decompressed, unless the caller says
TILE_PIXELS = 2**24  # of an image that is transformed in one piece, unless the caller says
QUALITY_STEPS = 10000  # a quality in hundredths is 0 .. QUALITY_STEPS
MAX_LATENTS = 2**32 - 1  # an exception names a latent in 32 bits


def pixels_in_blocks(width: int, height: int) -> int:
    """An image's pixels in whole blocks of 16 x 16: they are what memory goes to."""
    return 256 * -(-width // 16) * -(-height // 16)


def check_limit(name: str, value: int) -> int:
    """A positive whole number; ValueError otherwise."""
    if not isinstance(value, int) or value < 1:
        raise ValueError(f"{name} is a positive whole number, not {value!r}")
    return value


def check_pixels(width: int, height: int, max_pixels: int) -> None:
    """ValueError for an image above the limit."""
    if pixels_in_blocks(width, height) > max_pixels:
        raise ValueError(f"an image of {width}x{height}: the limit is {max_pixels} pixels")
