"""The bytes of a `.mcm` stream (FORMAT.md, section 1): `pack` writes what `unpack` reads."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from .errors import BitstreamError, Reason
from .exact.engine import Coded
from .exact.extension import extension
from .limits import MAX_CHUNKS, MAX_PIXELS, MAX_SIDE, PIXELS_PER_BYTE, pixels_in_blocks

MAGIC = b"MCM\x1a"
VERSION = 0
TRANSPOSED, CHUNKS, IGNORABLE_FLAGS = 0x01, 0x02, 0xC0

_START = struct.Struct("<4sBB8sH")  # magic, version, flags, model, quality
_CHECKSUM = struct.Struct("<I")
_EXCEPTION = np.dtype([("index", "<u4"), ("difference", "<i2")])  # 6 bytes, unaligned


@dataclass(eq=False)
class Stream:
    """All that a `.mcm` file says.

    `model` is the 8 bytes of the model id, `quality` counts hundredths (0..10000), `width` and
    `height` are the image's as the user sees it, whatever `transposed` says. `chunks` maps a type,
    four ASCII letters, to its bytes.
    """

    model: bytes
    quality: int
    width: int
    height: int
    transposed: bool
    coded: Coded
    chunks: dict[str, bytes] = field(default_factory=dict)


def pack(stream: Stream) -> bytes:
    """Return the bytes of `stream`. Raises ValueError for a field the format cannot hold."""
    _check_fields(stream)
    coded = stream.coded
    flags = TRANSPOSED * stream.transposed | CHUNKS * bool(stream.chunks)
    out = bytearray(_START.pack(MAGIC, VERSION, flags, stream.model, stream.quality))
    out += _varint(stream.width) + _varint(stream.height)
    out.append(_log2(coded.lanes) | _log2(coded.groups) << 4)
    out += _varint(len(coded.exception_indexes))
    for segment in coded.segments:
        out += _varint((len(segment) - 4 * coded.lanes) // 2)
    if stream.chunks:
        out += _varint(len(stream.chunks))
    for name, content in stream.chunks.items():
        out += name.encode("ascii") + _varint(len(content)) + content
    payload = len(out)
    out += _exceptions_to_bytes(coded)
    for segment in coded.segments:
        out += segment
    out += bytes(_padding(stream.width, stream.height, len(out) - payload))
    return bytes(out) + _CHECKSUM.pack(extension().crc32c(bytes(out)))


def unpack(data: bytes | bytearray | memoryview, max_pixels: int = MAX_PIXELS) -> Stream:
    """Return the `Stream` that `data` holds, after every check that needs no model.

    The caller still has to check the model's id, the exceptions' range and the final states. Raises
    BitstreamError for anything that `pack` could not have written, but for what FORMAT.md lets a
    reader ignore, and for images of more than `max_pixels`, counted in whole blocks of 16 x 16: it
    is memory that the limit is for.
    """
    data = bytes(memoryview(data))
    flags, model, quality = _unpack_start(data)
    reader = _Reader(data, _START.size, len(data) - _CHECKSUM.size)
    width, height = reader.varint(), reader.varint()
    _require(width > 0 and height > 0, f"an image of {width}x{height} pixels")
    if pixels_in_blocks(width, height) > max_pixels:
        message = f"an image of {width}x{height}: this reader's limit is {max_pixels} pixels"
        raise BitstreamError(message, Reason.TOO_LARGE)
    lanes, groups, exceptions, words = _read_layout(reader)
    chunks = _read_chunks(reader) if flags & CHUNKS else {}
    body = _body(lanes, groups, exceptions, words)
    spare, padding = reader.left() - body, _padding(width, height, body)
    _require(spare >= 0, f"{body} bytes of payload are declared, {reader.left()} are there")
    _require(spare == padding, f"{spare} bytes of padding instead of {padding}")
    indexes, differences = _exceptions_from_bytes(reader.take(6 * exceptions))
    segments = [reader.take(4 * lanes + 2 * n) for n in words]
    _require(not any(reader.take(padding)), "padding that is not zero")
    coded = Coded(lanes, groups, indexes, differences, segments)
    return Stream(model, quality, width, height, bool(flags & TRANSPOSED), coded, chunks)


def info(data: bytes | bytearray | memoryview, max_pixels: int = 2**64) -> dict[str, Any]:
    """Describe a stream without its model: plain values, fit for JSON.

    `bytes` is the whole stream, `header_bytes` what stands before the chunks, `payload_bytes`
    includes exceptions and padding; `bpp` is 8 `bytes` / (width height). Raises BitstreamError.
    """
    stream = unpack(data, max_pixels)
    coded, total = stream.coded, memoryview(data).nbytes
    body = _EXCEPTION.itemsize * len(coded.exception_indexes) + sum(map(len, coded.segments))
    payload = body + _padding(stream.width, stream.height, body)
    chunks = {name: len(content) for name, content in stream.chunks.items()}
    framed = sum(4 + len(_varint(size)) + size for size in chunks.values())
    return {
        "format": VERSION,
        "model_id": stream.model.hex(),
        "width": stream.width,
        "height": stream.height,
        "quality": stream.quality / 100,
        "transposed": stream.transposed,
        "lanes": coded.lanes,
        "groups": coded.groups,
        "exceptions": len(coded.exception_indexes),
        "chunks": chunks,
        "bytes": total,
        "header_bytes": total - payload - framed - _CHECKSUM.size,
        "payload_bytes": payload,
        "bpp": 8 * total / (stream.width * stream.height),
    }


def _require(holds: bool, complaint: str) -> None:
    if not holds:
        raise BitstreamError(f"damaged stream: {complaint}")


def _unpack_start(data: bytes) -> tuple[int, bytes, int]:
    """Check magic, version, length, checksum, flags and quality, in this order."""
    if data[:4] != MAGIC[: len(data)] or not data:
        raise BitstreamError("not an MCM stream", Reason.FOREIGN)
    if len(data) > 4 and data[4] != VERSION:
        message = f"format version {data[4]}, this reader knows version {VERSION} only"
        raise BitstreamError(message, Reason.VERSION)
    if len(data) < _START.size + _CHECKSUM.size:
        raise BitstreamError(f"truncated stream: {len(data)} bytes", Reason.TRUNCATED)
    (checksum,) = _CHECKSUM.unpack(data[-4:])
    if extension().crc32c(data[:-4]) != checksum:
        _require_whole(data)
        raise BitstreamError("damaged stream: the checksum differs")
    _, _, flags, model, quality = _START.unpack_from(data)
    unknown = flags & ~(TRANSPOSED | CHUNKS | IGNORABLE_FLAGS)
    if unknown:
        message = f"unknown flags {unknown:#04x}: made by a newer writer"
        raise BitstreamError(message, Reason.VERSION)
    _require(quality <= 10000, f"quality {quality} hundredths")
    return flags, model, quality


def _require_whole(data: bytes) -> None:
    """Of a stream whose checksum differs: whether it ends too early, as far as its lengths tell."""
    reader = _Reader(data, _START.size, len(data))
    width, height = reader.varint(), reader.varint()
    layout = _read_layout(reader)
    if data[5] & CHUNKS:
        _read_chunks(reader)
    body = _body(*layout)
    missing = body + _padding(width, height, body) + _CHECKSUM.size - reader.left()
    if missing > 0:
        raise BitstreamError(f"truncated stream: {missing} bytes are missing", Reason.TRUNCATED)


def _read_layout(reader: _Reader) -> tuple[int, int, int, list[int]]:
    """Lanes, groups, exceptions, and words of each group."""
    lanes, groups = _lanes_and_groups(reader.take(1)[0])
    return lanes, groups, reader.varint(), [reader.varint() for _ in range(groups)]


def _body(lanes: int, groups: int, exceptions: int, words: list[int]) -> int:
    """Bytes of a payload without its padding."""
    return _EXCEPTION.itemsize * exceptions + 4 * lanes * groups + 2 * sum(words)


def _lanes_and_groups(byte: int) -> tuple[int, int]:
    low, high = byte & 15, byte >> 4
    _require(low <= 5, f"2^{low} lanes")
    _require(high == 0 or (low == 5 and high <= 5), f"2^{high} groups of 2^{low} lanes")
    return 1 << low, 1 << high


def _padding(width: int, height: int, body: int) -> int:
    """Zero bytes after a payload of `body` bytes: at most PIXELS_PER_BYTE pixels a byte."""
    return max(0, -(-width * height // PIXELS_PER_BYTE) - body)


def _exceptions_to_bytes(coded: Coded) -> bytes:
    records = np.empty(len(coded.exception_indexes), _EXCEPTION)
    records["index"] = coded.exception_indexes.numpy()
    records["difference"] = coded.exception_differences.numpy()
    return records.tobytes()


def _exceptions_from_bytes(data: bytes) -> tuple[torch.Tensor, torch.Tensor]:
    """Return indexes (E,) int64 and differences (E,) int16."""
    records = np.frombuffer(data, _EXCEPTION)
    indexes = torch.from_numpy(records["index"].astype(np.int64))
    differences = torch.from_numpy(records["difference"].astype(np.int16))
    _require(_exceptions_are_valid(indexes, differences), "exceptions out of order or zero")
    return indexes, differences


def _exceptions_are_valid(indexes: torch.Tensor, differences: torch.Tensor) -> bool:
    return bool((indexes[1:] > indexes[:-1]).all() and differences.all())


def _read_chunks(reader: _Reader) -> dict[str, bytes]:
    chunks: dict[str, bytes] = {}
    count = reader.varint()
    _require(0 < count <= MAX_CHUNKS, f"a flag for chunks, and {count} of them")
    for _ in range(count):
        name = reader.take(4).decode("latin-1")
        content = reader.take(reader.varint())
        _require(_is_chunk_name(name), f"a chunk of type {name!r}")
        _require(name not in chunks, f"two chunks of type {name!r}")
        if not _may_be_ignored(name):
            message = f"unknown chunk {name!r} that must not be ignored"
            raise BitstreamError(message, Reason.VERSION)
        chunks[name] = content
    return chunks


def _is_chunk_name(name: str) -> bool:
    return len(name) == 4 and name.isascii() and name.isalpha()


def _may_be_ignored(name: str) -> bool:
    return name[0].islower()


def _check_fields(stream: Stream) -> None:
    coded = stream.coded
    spare = [len(segment) - 4 * coded.lanes for segment in coded.segments]
    indexes, differences = coded.exception_indexes, coded.exception_differences
    problems = {
        f"model id of {len(stream.model)} bytes": len(stream.model) != 8,
        f"quality {stream.quality}": not 0 <= stream.quality <= 10000,
        f"width {stream.width}": not 1 <= stream.width <= MAX_SIDE,
        f"height {stream.height}": not 1 <= stream.height <= MAX_SIDE,
        f"{coded.lanes} lanes": coded.lanes not in (1, 2, 4, 8, 16, 32),
        f"{coded.groups} groups": coded.groups not in (1, 2, 4, 8, 16, 32),
        f"{coded.groups} groups of {coded.lanes} lanes": coded.groups > 1 and coded.lanes != 32,
        f"{len(spare)} segments": len(spare) != coded.groups,
        "segment lengths": any(n < 0 or n % 2 for n in spare),
        "exceptions": len(indexes) != len(differences)
        or not _exceptions_are_valid(indexes, differences)
        or (len(indexes) > 0 and not 0 <= int(indexes[0]) <= int(indexes[-1]) < 2**32),
        f"{len(stream.chunks)} chunks": len(stream.chunks) > MAX_CHUNKS,
        f"chunk types {list(stream.chunks)[:9]}": not all(
            _is_chunk_name(name) and _may_be_ignored(name) for name in stream.chunks
        ),
    }
    bad = [problem for problem, is_bad in problems.items() if is_bad]
    if bad:
        raise ValueError(f"a stream cannot hold {', '.join(bad)}")


def _log2(power: int) -> int:
    return power.bit_length() - 1


def _varint(value: int) -> bytes:
    """Return LEB128 bytes of 0 <= value < 2^32. Raises ValueError."""
    if not 0 <= value <= MAX_SIDE:
        raise ValueError(f"{value} does not fit a varint of 32 bits")
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


class _Reader:
    """Reads `data[position:end]` and raises BitstreamError rather than read beyond `end`."""

    def __init__(self, data: bytes, position: int, end: int) -> None:
        self.data, self.position, self.end = data, position, end

    def left(self) -> int:
        return self.end - self.position

    def take(self, count: int) -> bytes:
        _require(count <= self.left(), f"{count} bytes are declared, {self.left()} are there")
        self.position += count
        return self.data[self.position - count : self.position]

    def varint(self) -> int:
        value = 0
        for shift in range(0, 35, 7):
            byte = self.take(1)[0]
            value |= (byte & 127) << shift
            if byte < 128:
                _require(byte > 0 or shift == 0, "a varint longer than needed")
                _require(value <= MAX_SIDE, "a varint above 2^32 - 1")
                return value
        raise BitstreamError("damaged stream: a varint of more than 5 bytes")
