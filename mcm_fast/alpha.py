"""Alpha, lossless: each coding tile's rows with PNG's filters, in a zlib stream of its own.

Rows and filters are those of PNG (RFC 2083, section 6) for one channel of 8 bits; a tile begins
with a row of zeros above it and a column of zeros at its left. Deflate differs between encoders,
so that streams with alpha are outside byte equality.
"""

from __future__ import annotations

import zlib

import numpy as np

from .coding_tiles import Tile
from .container import Stream
from .errors import BitstreamError, Reason, caught

NONE, SUB, UP, AVERAGE, PAETH = range(5)


def compress(tile: np.ndarray) -> bytes:
    """uint8 (H, W) -> a zlib stream of H (W + 1) bytes.

    Each row takes the filter whose output, as signed bytes, has the smallest sum of absolute values
    (RFC 2083, section 9.6).
    """
    padded = np.pad(tile.astype(np.int16), ((1, 0), (1, 0)))
    left, up, corner = padded[1:, :-1], padded[:-1, 1:], padded[:-1, :-1]
    guesses = np.zeros_like(left), left, up, (left + up) >> 1, _paeth(left, up, corner)
    rows = np.stack([(tile - guess).astype(np.uint8) for guess in guesses])
    best = np.abs(rows.view(np.int8).astype(np.int16)).sum(2).argmin(0)
    chosen = rows[best, np.arange(len(tile))]
    return zlib.compress(np.column_stack((best.astype(np.uint8), chosen)).tobytes(), 9)


def decompress(data: bytes, height: int, width: int) -> np.ndarray:
    """The uint8 (H, W) of a zlib stream, which is inflated no further than that.

    Raises BitstreamError for anything but exactly H rows of PNG.
    """
    size = height * (width + 1)
    inflater = zlib.decompressobj()
    try:
        content = inflater.decompress(data, size)
        more = inflater.decompress(inflater.unconsumed_tail, 1)  # the end, and its checksum
    except zlib.error as error:
        raise BitstreamError(f"damaged stream: alpha does not inflate ({error})") from None
    if len(content) != size or more or not inflater.eof or inflater.unused_data:
        raise BitstreamError(f"damaged stream: alpha is not {height} rows of {width} pixels")
    rows = np.frombuffer(content, np.uint8).reshape(height, width + 1)
    if rows[:, 0].max() > PAETH:
        raise BitstreamError(f"damaged stream: alpha has a filter {rows[:, 0].max()}")
    return _unfiltered(rows)


def of_box(stream: Stream, box: Tile, damage: dict[int, BitstreamError], keep: bool) -> np.ndarray:
    """Alpha of a box: uint8 (h, w). A damaged tile's is opaque."""
    assert stream.alpha is not None
    coded = box.turned(stream.transposed)
    out = np.full((coded.bottom - coded.top, coded.right - coded.left), 255, np.uint8)
    for i, tile in enumerate(stream.places):
        if not tile.meets(coded):
            continue
        plane = caught(_inflated, stream.alpha[i], tile)
        if isinstance(plane, BitstreamError):
            if not keep:
                raise plane
            damage.setdefault(i, plane)
            continue
        left, top = max(tile.left, coded.left), max(tile.top, coded.top)
        right, bottom = min(tile.right, coded.right), min(tile.bottom, coded.bottom)
        part = plane[top - tile.top : bottom - tile.top, left - tile.left : right - tile.left]
        rows = slice(top - coded.top, bottom - coded.top)
        out[rows, left - coded.left : right - coded.left] = part
    return out.T if stream.transposed else out


def shrunk(plane: np.ndarray, scale: int) -> np.ndarray:
    """uint8 (H, W) -> (ceil(H / scale), ceil(W / scale)): the mean of what there is of each block,
    rounded half up."""
    if scale == 1:
        return plane
    starts = [np.arange(0, side, scale) for side in plane.shape]
    total = np.add.reduceat(plane, starts[0], 0, np.int64)
    total = np.add.reduceat(total, starts[1], 1)
    sizes = (np.minimum(scale, side - at) for at, side in zip(starts, plane.shape, strict=True))
    count = np.multiply.outer(*sizes)
    return ((2 * total + count) // (2 * count)).astype(np.uint8)


def _inflated(data: bytes | None, tile: Tile) -> np.ndarray:
    if data is None:
        raise BitstreamError("truncated stream: alpha is missing", Reason.TRUNCATED)
    return decompress(data, tile.bottom - tile.top, tile.right - tile.left)


def _unfiltered(rows: np.ndarray) -> np.ndarray:
    height, width = rows.shape[0], rows.shape[1] - 1
    out = np.zeros((height + 1, width), np.uint8)
    for y, row in enumerate(rows):
        kind, line, up = row[0], row[1:], out[y]
        if kind == SUB:
            line = np.cumsum(line, dtype=np.uint8)
        elif kind == UP:
            line = line + up
        elif kind in (AVERAGE, PAETH):
            line = _one_by_one(kind, line.tolist(), up.tolist())
        out[y + 1] = line
    return out[1:]


def _one_by_one(kind: int, line: list[int], up: list[int]) -> list[int]:
    """The filters whose guess needs the pixel at the left."""
    out, left, corner = [], 0, 0
    for value, above in zip(line, up, strict=True):
        if kind == AVERAGE:
            guess = (left + above) >> 1
        else:
            to_left, to_above = abs(above - corner), abs(left - corner)
            to_corner = abs(left + above - 2 * corner)
            if to_left <= to_above and to_left <= to_corner:
                guess = left
            else:
                guess = above if to_above <= to_corner else corner
        left, corner = value + guess & 255, above
        out.append(left)
    return out


def _paeth(left: np.ndarray, up: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """Of left, up and corner (int16) the nearest to left + up - corner; ties in this order."""
    to_left, to_up, to_corner = abs(up - corner), abs(left - corner), abs(left + up - 2 * corner)
    is_left = (to_left <= to_up) & (to_left <= to_corner)
    return np.where(is_left, left, np.where(to_up <= to_corner, up, corner))
