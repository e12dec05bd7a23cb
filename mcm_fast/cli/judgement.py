"""Whether a picture is one that this codec is for."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..container import info
from ..images.notes import note

if TYPE_CHECKING:
    from torch import Tensor

    from ..codec import Codec

_POOR = 30.0  # dB
_ENOUGH = 50.0  # the quality from which a poor picture is a surprise
_WHOLE = 2**18  # pixels up to which the whole picture is decoded, else pieces of it
_PIECE, _PIECES = 256, 4
_REMEDY = "a lossless format (PNG, lossless WebP) is better for it"


def tell_poor(codec: Codec, image: Tensor, stream: bytes, source_bytes: int) -> None:
    """Note a picture below 30 dB at quality 50 or more, or larger than its source.

    Args:
        image: (C, H, W) uint8, what was compressed. Of a large one pieces are compressed and
            decoded once more. What alpha hides does not count.
        stream: what it became.
        source_bytes: the size of the file that it came from.
    """
    quality = info(stream)["quality"]
    if quality >= _ENOUGH:
        decibels = _psnr(codec, image, stream, quality)
        if decibels < _POOR:
            note(f"only {decibels:.1f} dB at quality {quality:g}: {_REMEDY}")
            return
    if len(stream) > source_bytes:
        note(f"{len(stream)} bytes, the source has {source_bytes}: {_REMEDY}")


def _psnr(codec: Codec, image: Tensor, stream: bytes, quality: float) -> float:
    if image[0].numel() <= _WHOLE:
        errors = [_squared_error(codec.decompress(stream), image)]
    else:
        pieces = list(_pieces(image))
        decoded = [codec.decompress(codec.compress(piece, quality)) for piece in pieces]
        errors = list(map(_squared_error, decoded, pieces))
    mean = sum(errors) / len(errors)
    return 10 * math.log10(255**2 / mean) if mean else math.inf


def _pieces(image: Tensor) -> list[Tensor]:
    """Pieces (C, 256, 256 or less) along the picture's diagonals."""
    height, width = image.shape[1:]
    tall, wide = min(_PIECE, height), min(_PIECE, width)
    pieces = []
    for i in range(_PIECES):
        top = (height - tall) * (2 * i + 1) // (2 * _PIECES)
        left = (width - wide) * (2 * (i * 2 % _PIECES + i // 2) + 1) // (2 * _PIECES)
        pieces.append(image[:, top : top + tall, left : left + wide])
    return pieces


def _squared_error(decoded: Tensor, image: Tensor) -> float:
    error = (decoded.cpu().double() - image.cpu().double()).square()
    if len(image) in (2, 4):
        seen = (image[-1:].cpu() > 0).expand_as(error[:-1])
        return float(error[:-1][seen].mean()) if bool(seen.any()) else 0.0
    return float(error.mean())
