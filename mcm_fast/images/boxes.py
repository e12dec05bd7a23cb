"""Chunks of PNG and boxes of AVIF that Pillow reads over: colour information and row counts."""

from __future__ import annotations

import struct
from collections.abc import Iterator

_PNG_START = b"\x89PNG\r\n\x1a\n"


def png_chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Types and contents of a PNG's chunks, in their order, up to where the bytes end.

    Source: PNG (third edition), section 5.3.
    """
    view, position = memoryview(data), len(_PNG_START)
    while data.startswith(_PNG_START) and position + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        yield kind, view[position + 8 : position + 8 + length]
        position += 12 + length


def boxes(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Types and contents of the boxes that `data` is made of (ISO/IEC 14496-12, section 4.2)."""
    position = 0
    while position + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        start = position + 8
        if length == 1 and start + 8 <= len(data):
            (length,) = struct.unpack_from(">Q", data, start)
            start += 8
        end = len(data) if length == 0 else position + length
        if end < start:
            return
        yield kind, data[start:end]
        position = end


def box_at(data: bytes, *path: bytes) -> Iterator[memoryview]:
    """Contents of every box at a path of types below the file."""
    views = [memoryview(data)]
    for kind in path:
        views = [inner for view in views for name, inner in boxes(view) if name == kind]
        if kind == b"meta":  # a full box: version and flags come first
            views = [view[4:] for view in views]
    yield from views
