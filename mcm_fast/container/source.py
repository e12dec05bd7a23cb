"""What a stream is read from: bytes, or a file, of which only the needed places are read."""

from __future__ import annotations

import io
from typing import BinaryIO

from ..errors import BitstreamError, Reason
from . import varint

Bytes = bytes | bytearray | memoryview | BinaryIO
PIECE = 1024  # bytes of a header that are read at once


class Source:
    """Bytes or a binary file; of one that can seek, from where it stands to its end.

    Raises ValueError for anything else.
    """

    def __init__(self, stream: Bytes) -> None:
        if isinstance(stream, bytes | bytearray | memoryview):
            stream = io.BytesIO(bytes(stream))
        elif not hasattr(stream, "read"):
            raise ValueError(f"a stream is bytes or a binary file, not {type(stream).__name__}")
        elif not (hasattr(stream, "seekable") and stream.seekable()):
            stream = io.BytesIO(_whole(stream))
        self._file = stream
        self._start = stream.tell()
        self.size = max(0, stream.seek(0, io.SEEK_END) - self._start)

    def read(self, start: int, count: int) -> bytes:
        """`count` bytes from `start` on. Raises BitstreamError where the source ends before."""
        _require_bytes(start + count - self.size)
        self._file.seek(self._start + start)
        content = bytearray()
        while len(content) < count:  # a raw file may return less than it was asked for
            piece = self._file.read(count - len(content))
            if not isinstance(piece, bytes):
                raise ValueError(f"a stream is a binary file, not one of {type(piece).__name__}")
            if not piece:
                _require_bytes(count - len(content))
            content += piece
        return bytes(content)


def as_source(stream: Bytes | Source) -> Source:
    return stream if isinstance(stream, Source) else Source(stream)


def _whole(file: BinaryIO) -> bytes:
    content = file.read()
    if not isinstance(content, bytes | bytearray | memoryview):
        raise ValueError(f"a stream is a binary file, not one of {type(content).__name__}")
    return bytes(content)


def _require_bytes(missing: int) -> None:
    if missing > 0:
        message = f"truncated stream: {missing} bytes are missing"
        raise BitstreamError(message, Reason.TRUNCATED)


class HeaderReader:
    """Takes the bytes of a header one after another, and keeps those that were taken."""

    def __init__(self, source: Source) -> None:
        self.source, self.position, self._data = source, 0, bytearray()

    def left(self) -> int:
        return self.source.size - self.position

    def take(self, count: int) -> bytes:
        if count > self.left():
            message = "truncated stream: it ends within its header"
            raise BitstreamError(message, Reason.TRUNCATED)
        self.position += count
        short = self.position - len(self._data)
        if short > 0:
            more = max(short, PIECE, len(self._data))
            start = len(self._data)
            self._data += self.source.read(start, min(more, self.source.size - start))
        return bytes(self._data[self.position - count : self.position])

    def varint(self) -> int:
        return varint.read(self.take)

    def taken(self) -> bytes:
        return bytes(self._data[: self.position])
