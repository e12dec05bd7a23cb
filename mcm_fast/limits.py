"""Every limit: of the format, and of what is decoded before memory is taken for it."""

from __future__ import annotations

MAX_PIXELS = 2**28  # of an image that is compressed or decompressed, unless the caller says
TILE_PIXELS = 2**24  # of an image that is transformed in one piece, unless the caller says
QUALITY_STEPS = 10000  # a quality in hundredths is 0 .. QUALITY_STEPS
MAX_LATENTS = 2**32 - 1  # of a coding tile: an exception names a latent in 32 bits
MAX_SIDE = 2**32 - 1  # of an image, in pixels
MAX_CHUNKS = 255  # of a stream
PIXELS_PER_BYTE = 32768  # of a tile's payload: a stream cannot promise more
SCALES = (8, 16)  # of previews: pixels of the image along the side of one
TILE_UNIT = 64  # pixels: the sides of coding tiles are multiples
CODING_TILE = 1024  # pixels a side of the coding tiles of a large image, unless the caller says
UNTILED_PIXELS = 2**22  # of an image that is not large
MAX_THREADS = 4096  # of a call


def pixels_in_blocks(width: int, height: int) -> int:
    """An image's pixels in whole blocks of 16 x 16: they are what memory goes to."""
    return 256 * -(-width // 16) * -(-height // 16)
