"""Streams for tests of the format, from parts and byte by byte."""

import struct

import numpy as np

from mcm_fast.container import Stream
from mcm_fast.exact.engine import Coded

MODEL = bytes(range(1, 9))


def crc32c(data: bytes) -> int:
    """Bit by bit, from the definition."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def sealed(body: bytes) -> bytes:
    return body + struct.pack("<I", crc32c(body))


def start(version: int = 1, flags: int = 0, quality: int = 5000) -> bytes:
    return b"MCM\x1a" + bytes([version, flags]) + MODEL + struct.pack("<H", quality)


def raw(
    start: bytes = start(),  # noqa: B008
    size: bytes = b"\x01\x01",
    table: bytes = b"\x00\x00\x00",
    chunk_list: bytes = b"",
    chunks: bytes = b"",
    payload: bytes = b"\x00\x00\x01\x00",
    alpha: bytes = b"",
) -> bytes:
    """A valid stream of one pixel in parts, with checksums of header and tile that fit whatever is
    in them."""
    return sealed(start + size + table + chunk_list) + chunks + sealed(payload) + alpha


def tile(*words: int, lanes: int = 1, exceptions: tuple[tuple[int, int], ...] = ()) -> Coded:
    """One group of lanes in their first states."""
    segment = struct.pack(f"<{lanes}I{len(words)}H", *[1 << 16] * lanes, *words)
    indexes = np.array([index for index, _ in exceptions], np.int64)
    differences = np.array([difference for _, difference in exceptions], np.int16)
    return Coded(lanes, 1, indexes, differences, [segment])


def stream_of_everything() -> Stream:
    """Transposed, gray, four tiles, chunks and alpha, in few bytes."""
    tiles = [tile(5, lanes=2), tile(exceptions=((7, -1), (65536, 5))), tile(1, 2, 65535), tile()]
    chunks = {"iccp": b"abc", "abcD": b""}
    alpha = [b"one", b"", b"three", b"4"]
    size = 70, 130  # 130 x 70 coded: two columns of 128, two rows of 64
    return Stream(MODEL, 5000, *size, True, tiles, chunks, True, (128, 64), alpha)


def assert_same(got: Stream, want: Stream) -> None:
    fields = "model", "quality", "width", "height", "transposed", "chunks", "gray", "sides", "alpha"
    for name in fields:
        assert getattr(got, name) == getattr(want, name), name
    for mine, theirs in zip(got.tiles, want.tiles, strict=True):
        for name in ("lanes", "groups", "segments"):
            assert getattr(mine, name) == getattr(theirs, name), name
        for name in ("exception_indexes", "exception_differences"):
            assert np.array_equal(getattr(mine, name), getattr(theirs, name)), name
