"""What a stream is read from: bytes, or a file, of which only the needed places are read."""

from __future__ import annotations

import contextlib
import io
import os
import stat
import sys
from typing import TYPE_CHECKING, Any, BinaryIO, Union

import numpy as np

from ..errors import BitstreamError, Reason
from . import varint

if TYPE_CHECKING:
    import torch

StrPath = str | os.PathLike[str]
Array = np.ndarray[Any, Any]
# Bytes, vectors of them (uint8), a file's path, or a binary file.
Bytes = Union[  # noqa: UP007
    bytes, bytearray, memoryview, Array, "torch.Tensor", str, os.PathLike[str], BinaryIO
]
PIECE = 1024  # bytes of a header that are read at once


class Source:
    """Bytes, a vector of them, or a binary file: by its path, or open. Of one that can seek, from
    where it stands to its end. A file by its path is opened for a moment each time.

    Raises ValueError for anything else, OSError for a file that cannot be opened.
    """

    def __init__(self, stream: Bytes) -> None:
        self._path: StrPath | None = None
        if isinstance(stream, str | os.PathLike) and _is_plain(stream):
            self._path, self._start, self.size = stream, 0, os.stat(stream).st_size
            return
        self._file = _opened(stream)
        self._start = self._file.tell()
        self.size = max(0, self._file.seek(0, io.SEEK_END) - self._start)

    def read(self, start: int, count: int) -> bytes:
        """`count` bytes from `start` on. Raises BitstreamError where the source ends before."""
        _require_bytes(start + count - self.size)
        content = bytearray()
        with self._at_hand() as file:
            file.seek(self._start + start)
            while len(content) < count:  # a raw file may return less than it was asked for
                piece = file.read(count - len(content))
                if not isinstance(piece, bytes):
                    raise ValueError(f"a stream is a binary file, not one of {_name(piece)}")
                if not piece:
                    _require_bytes(count - len(content))
                content += piece
        return bytes(content)

    def _at_hand(self) -> contextlib.AbstractContextManager[Any]:
        if self._path is None:
            return contextlib.nullcontext(self._file)
        return open(self._path, "rb", buffering=0)


def _is_plain(path: StrPath) -> bool:
    """Not a pipe, of which every byte can be read once."""
    return stat.S_ISREG(os.stat(path).st_mode)


def _opened(stream: Any) -> BinaryIO:
    """A binary file that can seek."""
    if isinstance(stream, bytes | bytearray | memoryview):
        return io.BytesIO(bytes(stream))
    if isinstance(stream, str | os.PathLike):
        with open(stream, "rb") as file:
            return io.BytesIO(file.read())
    torch = sys.modules.get("torch")  # without it there are no tensors
    if torch is not None and isinstance(stream, torch.Tensor):
        return io.BytesIO(_vector(stream, stream.dtype == torch.uint8, stream.dim()))
    if isinstance(stream, np.ndarray):
        return io.BytesIO(_vector(stream, stream.dtype == np.uint8, stream.ndim))
    if not hasattr(stream, "read"):
        kinds = "a vector of uint8, a path or a binary file"
        raise ValueError(f"a stream is bytes, {kinds}, not {_name(stream)}")
    if hasattr(stream, "seekable") and stream.seekable():
        return stream
    return io.BytesIO(_whole(stream))


def _vector(stream: Any, is_bytes: bool, dimensions: int) -> bytes:
    """The bytes of an array or a tensor, on any device."""
    odd = getattr(stream, "is_nested", False) or getattr(stream, "is_meta", False)
    if odd or not is_bytes or dimensions != 1 or getattr(stream, "is_sparse", False):
        kind = f"{_name(stream)} of {stream.dtype} with {dimensions} dimensions"
        raise ValueError(f"a stream is bytes or a vector of uint8, not {kind}")
    return bytes(np.asarray(stream.cpu() if hasattr(stream, "cpu") else stream))


def _name(value: object) -> str:
    return type(value).__name__


def as_source(stream: Bytes | Source) -> Source:
    return stream if isinstance(stream, Source) else Source(stream)


def _whole(file: BinaryIO) -> bytes:
    content = file.read()
    if not isinstance(content, bytes | bytearray | memoryview):
        raise ValueError(f"a stream is a binary file, not one of {_name(content)}")
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
