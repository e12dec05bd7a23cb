"""Writes TensorFlow checkpoints as `tf_checkpoint.read_checkpoint` reads them, for its tests."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np


def write_checkpoint(prefix: Path, tensors: Mapping[str, np.ndarray], block: int = 4096) -> None:
    """`tensors` as float32 in one shard; the index in blocks of about `block` bytes."""
    data, entries = b"", [(b"", _field(1, 1) + _field(3, _field(1, 1)))]
    for name in sorted(tensors):
        content = tensors[name].astype("<f4").tobytes()
        shape = b"".join(_field(2, _field(1, size)) for size in tensors[name].shape)
        entry = _field(1, 1) + _field(2, shape) + _field(4, len(data)) + _field(5, len(content))
        entries.append((name.encode(), entry + b"\x35" + bytes(4)))  # and a checksum, fixed32
        data += content
    prefix.with_name(f"{prefix.name}.data-00000-of-00001").write_bytes(data)
    prefix.with_name(f"{prefix.name}.index").write_bytes(_table(entries, block))


def _table(entries: list[tuple[bytes, bytes]], size: int) -> bytes:
    table, index, start = b"", [], 0
    while start < len(entries):
        stop = start + 1
        while stop < len(entries) and len(_block(entries[start : stop + 1])) <= size:
            stop += 1
        handle, table = _append(table, _block(entries[start:stop]))
        index.append((entries[stop - 1][0], handle))
        start = stop
    meta, table = _append(table, _block([]))
    handle, table = _append(table, _block(index))
    return table + (meta + handle).ljust(40, b"\0") + (0xDB4775248B80FB57).to_bytes(8, "little")


def _append(table: bytes, block: bytes) -> tuple[bytes, bytes]:
    """The block's handle, and the table with the block, its type and a checksum."""
    return _varint(len(table)) + _varint(len(block)), table + block + bytes(5)


def _block(entries: list[tuple[bytes, bytes]]) -> bytes:
    block, before = b"", b""
    for key, value in entries:
        shared = next((i for i, (a, b) in enumerate(zip(key, before)) if a != b), None)  # noqa: B905
        shared = min(len(key), len(before)) if shared is None else shared
        rest = key[shared:]
        block += _varint(shared) + _varint(len(rest)) + _varint(len(value)) + rest + value
        before = key
    return block + bytes(4) + (1).to_bytes(4, "little")  # one restart, at 0


def _field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, bytes):
        return _varint(number << 3 | 2) + _varint(len(value)) + value
    return _varint(number << 3) + _varint(value)


def _varint(value: int) -> bytes:
    found = b""
    while value > 127:
        found += bytes([value & 127 | 128])
        value >>= 7
    return found + bytes([value])
