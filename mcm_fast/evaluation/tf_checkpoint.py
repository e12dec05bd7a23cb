"""Reads the tensors of a TensorFlow checkpoint, without TensorFlow.

A checkpoint PREFIX is `PREFIX.index`, a sorted table of the LevelDB format whose values are
protocol buffers, and `PREFIX.data-SSSSS-of-NNNNN`, the tensors' bytes (tensor_bundle.proto). The
table is uncompressed:

    table = data blocks, index block, footer (48 bytes: two block handles, padding, magic)
    block = entries, restart offsets (u32 each), their number (u32); then 1 byte type, 4 bytes CRC
    entry = shared, unshared, value length (varints), the key's unshared bytes, the value

Keys are prefix-compressed against the previous entry's.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

_MAGIC = 0xDB4775248B80FB57
_FOOTER = 48
_DTYPES = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8"}  # the numeric types of types.proto


def read_checkpoint(prefix: str | os.PathLike) -> Mapping[str, np.ndarray]:
    """The numeric tensors by name; what else a checkpoint holds (strings) is left out.

    Raises ValueError for a file that is none, OSError.
    """
    index = Path(f"{prefix}.index").read_bytes()
    try:
        entries = {key.decode(): dict(_fields(value)) for key, value in _table(index)}
        shards = entries.pop("", {}).get(1, 1)
        files = [Path(f"{prefix}.data-{i:05}-of-{shards:05}").read_bytes() for i in range(shards)]
        numeric = {name: e for name, e in entries.items() if e.get(1) in _DTYPES}
        return {name: _tensor(entry, files) for name, entry in numeric.items()}
    except (IndexError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise ValueError(f"{prefix}.index: not a TensorFlow checkpoint ({error!r})") from error


def _table(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    if len(data) < _FOOTER or int.from_bytes(data[-8:], "little") != _MAGIC:
        raise ValueError("the index of a checkpoint ends with another magic number")
    _, position = _handle(data, len(data) - _FOOTER)  # of the metaindex
    index, _ = _handle(data, position)
    for _, value in _block(data, *index):
        yield from _block(data, *_handle(value, 0)[0])


def _block(data: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    if offset + size >= len(data) or data[offset + size]:
        raise ValueError("a block of the checkpoint's index is compressed, or beyond its end")
    block = data[offset : offset + size]
    restarts = int.from_bytes(block[-4:], "little")
    end, position, key = size - 4 - 4 * restarts, 0, b""
    while position < end:
        shared, position = _varint(block, position)
        unshared, position = _varint(block, position)
        length, position = _varint(block, position)
        key = key[:shared] + block[position : position + unshared]
        position += unshared
        yield key, block[position : position + length]
        position += length


def _handle(data: bytes, position: int) -> tuple[tuple[int, int], int]:
    """A block's offset and size, and where the handle ends."""
    offset, position = _varint(data, position)
    size, position = _varint(data, position)
    return (offset, size), position


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
        shift += 7


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a protocol buffer by number: varints and fixed32 as int, the rest as bytes."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, position = _varint(message, position)
            yield number, value
            continue
        length = {1: 8, 5: 4}.get(wire)
        if length is None:
            length, position = _varint(message, position)
        value = message[position : position + length]
        yield number, value if wire == 2 else int.from_bytes(value, "little")
        position += length


def _tensor(entry: Mapping[int, int | bytes], files: list[bytes]) -> np.ndarray:
    """BundleEntryProto: dtype 1, shape 2 (dims 2, their size 1), shard 3, offset 4, size 5."""
    dims = [value for number, value in _fields(entry.get(2, b"")) if number == 2]
    shape = [dict(_fields(dim)).get(1, 0) for dim in dims]
    offset, size, dtype = entry.get(4, 0), entry.get(5, 0), np.dtype(_DTYPES[entry[1]])
    data = files[entry.get(3, 0)][offset : offset + size]
    if len(data) != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"a tensor {shape} of the checkpoint has {len(data)} bytes")
    return np.frombuffer(data, dtype).reshape(shape).copy()
