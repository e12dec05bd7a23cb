"""Damage inside a file: decoders paint over it without a word, so it is looked for."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import simplejpeg
from PIL import Image, ImageFile

from .boxes import png_chunks
from .notes import note, reason

_STEP = 2**20
# libjpeg's warnings that mean lost pixels. Bytes too many before the end marker do, too: a broken
# scan ends early. Zeros there are what some cameras write.
_LOST = "Corrupt JPEG data", "Premature end of JPEG"
_PADDING = re.compile(r"(\d+) extraneous bytes before marker 0xd9")
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
# Adam7: first column, first row, column step, row step of each pass.
_PASSES = (
    *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)),
    *((0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)),
)


class DamagedImage(ValueError):
    """An image file of which a part is missing or broken."""


def load(open_again: Callable[[], Image.Image], data: bytes, accept: bool) -> Image.Image:
    """The loaded image of a file.

    Args:
        open_again: opens the file anew.
        data: its bytes.
        accept: take what a damaged file still holds, with a note.

    Raises DamagedImage, unless the damage is accepted and leaves any pixels.
    """
    image = open_again()
    try:
        image.load()
        damage = _hidden_damage(image.format or "", data)
    except MemoryError:
        raise
    except Exception as error:  # Pillow's decoders raise anything over damaged files
        damage = reason(error)
        if accept:
            with _truncated_images():
                image = open_again()
                try:
                    image.load()
                except Exception as again:
                    raise DamagedImage(f"not a readable image: {reason(again)}") from again
    if damage and not accept:
        raise DamagedImage(f"the image is damaged: {damage}")
    if damage:
        note(f"the image is damaged, the rest of it is taken: {damage}")
    return image


def _hidden_damage(format: str, data: bytes) -> str:
    """What a decoder did not tell; "" for nothing."""
    if format in ("JPEG", "MPO"):
        return _jpeg_damage(data)
    if format == "PNG":
        return _png_damage(data)
    return ""


def _jpeg_damage(data: bytes) -> str:
    """libjpeg's first warning, from a decoding at an eighth of the size."""
    try:
        colours = simplejpeg.decode_jpeg_header(data)[2]
        target = "CMYK" if colours in ("CMYK", "YCCK") else "GRAY"
        simplejpeg.decode_jpeg(data, target, min_height=1, min_width=1, min_factor=8)
    except ValueError as error:
        message = reason(error)
        padding = _PADDING.search(message)
        is_padded = padding and bytes(int(padding[1])) + b"\xff\xd9" in data
        if message.startswith(_LOST) and not is_padded:
            return message
    return ""


def _png_damage(data: bytes) -> str:
    """Whether a PNG's compressed rows are as many as its header says, and intact."""
    expected, size = 0, 0
    inflater = zlib.decompressobj()
    for kind, content in png_chunks(data):
        if kind == b"IHDR" and len(content) >= 13:
            expected = _png_size(content)
        if kind == b"IDAT" and not inflater.eof:
            try:
                size += sum(_inflated(inflater, content, expected - size))
            except zlib.error as error:
                return reason(error)
    if size < expected:
        return f"{size} bytes of rows instead of {expected}"
    return ""


def _inflated(inflater: Any, content: memoryview, wanted: int) -> Iterator[int]:
    """Lengths of the pieces that come out; stops where more than `wanted` bytes have."""
    left: bytes | memoryview = content
    while len(left) and wanted >= 0:
        piece = len(inflater.decompress(left, _STEP))
        wanted -= piece
        yield piece
        left = inflater.unconsumed_tail


def _png_size(header: memoryview) -> int:
    """Bytes of a PNG's rows with their filter types. Source: PNG, sections 7.2 and 8."""
    width, height, depth, colours, _, _, interlace = struct.unpack_from(">IIBBBBB", header)
    bits = depth * _PNG_CHANNELS.get(colours, 1)
    total = 0
    for x, y, x_step, y_step in _PASSES if interlace else ((0, 0, 1, 1),):
        columns, rows = -(-(width - x) // x_step), -(-(height - y) // y_step)
        if columns > 0 and rows > 0:
            total += rows * (1 + -(-columns * bits // 8))
    return total


@contextmanager
def _truncated_images() -> Iterator[None]:
    """Pillow decodes what there is."""
    before, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, True
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before
