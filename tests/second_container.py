"""The container of `.mcm`, version 1, for second_reader.py: sections 1 and 7 of FORMAT.md.

Raises ValueError for anything that a reader must refuse.
"""

import struct
from dataclasses import dataclass


def need(holds: bool, complaint: str) -> None:
    if not holds:
        raise ValueError(complaint)


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def _crc_of(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
    return byte


CRC = [_crc_of(byte) for byte in range(256)]


class Bytes:
    """Section 1, byte by byte."""

    def __init__(self, data: bytes):
        self.data, self.at = data, 0

    def take(self, count: int) -> bytes:
        need(self.at + count <= len(self.data), "the stream ends too early")
        self.at += count
        return self.data[self.at - count : self.at]

    def varint(self) -> int:
        value, shift = 0, 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                need(value < 2**32 and (byte > 0 or shift == 7), "a bad varint")
                return value
            need(shift < 35, "a varint of more than 5 bytes")

    def checked(self, count: int) -> bytes:
        content = self.take(count)
        need(struct.pack("<I", crc32c(content)) == self.take(4), "a checksum differs")
        return content


@dataclass
class Tile:
    left: int
    top: int
    width: int
    height: int
    lanes: int = 0
    groups: int = 0
    exceptions: int = 0
    words: tuple[int, ...] = ()
    payload: bytes = b""
    alpha: bytes = b""


@dataclass
class Container:
    model: bytes
    quality: int
    width: int  # coded
    height: int
    gray: bool
    transposed: bool
    chunks: dict[str, bytes]
    tiles: list[Tile]


def read_container(data: bytes) -> Container:
    b = Bytes(data)
    need(b.take(4) == b"MCM\x1a" and b.take(1) == b"\x01", "not a stream of version 1")
    flags = b.take(1)[0]
    need(flags & 0x30 == 0, "unknown flags")
    model, quality = b.take(8), int.from_bytes(b.take(2), "little")
    width, height = b.varint(), b.varint()
    need(width > 0 and height > 0, "an empty image")
    if flags & 1:
        width, height = height, width
    across, down = (64 * b.varint(), 64 * b.varint()) if flags & 8 else (width, height)
    need(across > 0 and down > 0, "empty tiles")
    tiles = [
        Tile(left, top, min(across, width - left), min(down, height - top))
        for top in range(0, height, down)
        for left in range(0, width, across)
    ]
    need(not flags & 8 or len(tiles) > 1, "one tile")
    for tile in tiles:
        read_entry(b, tile)
    sizes = read_list(b) if flags & 4 else {}
    head = b.data[: b.at]
    need(struct.pack("<I", crc32c(head)) == b.take(4), "the header's checksum differs")
    need(quality <= 10000, "a bad quality")
    chunks = {name: b.checked(size) for name, size in sizes.items() if name[0].islower()}
    for tile in tiles:
        body = 6 * tile.exceptions + 4 * tile.lanes * tile.groups + 2 * sum(tile.words)
        least = -(-tile.width * tile.height // 32768)
        tile.payload = b.checked(max(body, least))
        need(not any(tile.payload[body:]), "padding")
    if "Alph" in sizes:
        split_alpha(Bytes(b.checked(sizes["Alph"])), tiles)
    need(b.at == len(data), "bytes after the end")
    of_image = model, quality, width, height, bool(flags & 2), bool(flags & 1)
    return Container(*of_image, chunks, tiles)


def read_entry(b: Bytes, tile: Tile) -> None:
    byte = b.take(1)[0]
    low, high = byte & 15, byte >> 4
    need(low <= 5 and high <= 5 and (high == 0 or low == 5), "bad lanes")
    tile.lanes, tile.groups = 1 << low, 1 << high
    tile.exceptions = b.varint()
    tile.words = tuple(b.varint() for _ in range(tile.groups))


def read_list(b: Bytes) -> dict[str, int]:
    sizes = {}
    count = b.varint()
    need(1 <= count <= 255, "a bad number of chunks")
    for _ in range(count):
        name = b.take(4).decode("latin-1")
        need(name.isascii() and name.isalpha() and name not in sizes, "a bad chunk type")
        need("Alph" not in sizes and (name[0].islower() or name == "Alph"), "a chunk to know")
        sizes[name] = b.varint()
    return sizes


def split_alpha(b: Bytes, tiles: list[Tile]) -> None:
    lengths = [b.varint() for _ in tiles]
    for tile, length in zip(tiles, lengths, strict=True):
        tile.alpha = b.take(length)
    need(b.at == len(b.data), "alpha's lengths")
