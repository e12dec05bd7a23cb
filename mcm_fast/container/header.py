"""The header: fields, tile table, list of chunks, checksum (FORMAT.md, section 1)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from ..coding_tiles import Sides, Tile, are_sides, count, cut
from ..errors import BitstreamError, Reason
from ..lazy import cached
from ..limits import MAX_PIXELS, TILE_UNIT, pixels_in_blocks
from . import chunks as chunk_list
from . import varint
from .checks import CHECKSUM_BYTES, checksum, require
from .source import Bytes, HeaderReader, Source, as_source
from .tiles import SHORTEST_ENTRY, Entry, read_entry, write_entry

MAGIC = b"MCM\x1a"
VERSION = 1
TRANSPOSED, GRAY, CHUNKS, TILES = 0x01, 0x02, 0x04, 0x08
MUST_UNDERSTAND = 0x3F  # a reader refuses a flag of these that it does not know, ignores others
RESERVED = {0x10: "16 bits a channel", 0x20: "animation"}

_START = struct.Struct("<4sBB8sH")  # magic, version, flags, model, quality


@dataclass(eq=False)
class Header:
    """What a stream says before its first chunk or tile.

    `model` is the 8 bytes of the model id, `quality` counts hundredths (0..10000), `width` and
    `height` are the image's as the user sees it, whatever `transposed` says. `sides` are those of
    the coding tiles (None: all the image is one), `entries` what the table says of each. `chunks`
    maps a type, four ASCII letters, to its length.
    """

    model: bytes
    quality: int
    width: int
    height: int
    transposed: bool
    gray: bool
    sides: Sides | None
    entries: list[Entry]
    chunks: dict[str, int]

    @property
    def coded_size(self) -> tuple[int, int]:
        """Width and height in coded orientation."""
        size = self.width, self.height
        return size[::-1] if self.transposed else size

    @cached
    def tiles(self) -> list[Tile]:
        return cut(*self.coded_size, self.sides)

    @cached
    def packed(self) -> bytes:
        """Its bytes, with the checksum."""
        flags = TRANSPOSED * self.transposed | GRAY * self.gray
        flags |= CHUNKS * bool(self.chunks) | TILES * (self.sides is not None)
        out = _START.pack(MAGIC, VERSION, flags, self.model, self.quality)
        out += varint.write(self.width) + varint.write(self.height)
        if self.sides is not None:
            out += b"".join(varint.write(side // TILE_UNIT) for side in self.sides)
        out += b"".join(map(write_entry, self.entries))
        if self.chunks:
            out += chunk_list.write_list(self.chunks)
        return out + checksum(out)

    @cached
    def chunk_places(self) -> dict[str, tuple[int, int]]:
        """Where each chunk begins, and its length, without its checksum."""
        places, position = {}, len(self.packed)
        for name, size in self.chunks.items():
            if not chunk_list.may_be_ignored(name):
                position = max(position, self._end_of_tiles)
            places[name] = position, size
            position += size + CHECKSUM_BYTES
        return places

    @cached
    def tile_places(self) -> list[tuple[int, int]]:
        """Where each tile's payload begins, and its length, without its checksum."""
        ignorable = [size for name, size in self.chunks.items() if chunk_list.may_be_ignored(name)]
        position = len(self.packed) + sum(ignorable) + CHECKSUM_BYTES * len(ignorable)
        places = []
        for entry, tile in zip(self.entries, self.tiles, strict=True):
            size = entry.payload(tile.pixels)
            places.append((position, size))
            position += size + CHECKSUM_BYTES
        return places

    @property
    def total(self) -> int:
        """Bytes of the whole stream."""
        alpha = self.chunks.get(chunk_list.ALPHA)
        return self._end_of_tiles + (0 if alpha is None else alpha + CHECKSUM_BYTES)

    @property
    def _end_of_tiles(self) -> int:
        start, size = self.tile_places[-1]
        return start + size + CHECKSUM_BYTES


def read_header(stream: Bytes | Source, max_pixels: int = MAX_PIXELS) -> Header:
    """The header of a stream, of which no more is read.

    Raises BitstreamError for a header that no writer of version 1 makes, and for images of more
    than `max_pixels`, counted in whole blocks of 16 x 16: it is memory that the limit is for.
    """
    reader = HeaderReader(as_source(stream))
    header = parse_header(reader)
    body = reader.taken()
    require(reader.take(CHECKSUM_BYTES) == checksum(body), "the checksum of the header differs")
    require(header.quality <= 10000, f"quality {header.quality} hundredths")
    width, height = header.width, header.height
    if pixels_in_blocks(width, height) > max_pixels:
        message = f"an image of {width}x{height}: this reader's limit is {max_pixels} pixels"
        raise BitstreamError(message, Reason.TOO_LARGE)
    return header


def parse_header(reader: HeaderReader) -> Header:
    """The fields of a header, as far as its layout depends on them, before its checksum is read.

    Raises BitstreamError.
    """
    flags, model, quality = _read_start(reader)
    width, height = reader.varint(), reader.varint()
    require(width > 0 and height > 0, f"an image of {width}x{height} pixels")
    coded = (height, width) if flags & TRANSPOSED else (width, height)
    sides = _read_sides(reader) if flags & TILES else None
    entries = _read_table(reader, count(*coded, sides), sides)
    chunks = chunk_list.read_list(reader) if flags & CHUNKS else {}
    of_image = bool(flags & TRANSPOSED), bool(flags & GRAY)
    return Header(model, quality, width, height, *of_image, sides, entries, chunks)


def check_length(header: Header, source: Source) -> None:
    """That a source ends where its stream does. Raises BitstreamError."""
    missing = header.total - source.size
    if missing > 0:
        raise BitstreamError(f"truncated stream: {missing} bytes are missing", Reason.TRUNCATED)
    if missing < 0:
        more = source.read(header.total, min(-missing, len(MAGIC))) == MAGIC
        hint = f": another stream begins after {header.total} bytes; hand over one at a time"
        raise BitstreamError(f"damaged stream: {-missing} bytes after its end{hint * more}")


def _read_start(reader: HeaderReader) -> tuple[int, bytes, int]:
    """Check magic, version and flags, in this order; return flags, model and quality."""
    magic = reader.take(min(len(MAGIC), reader.left()))
    if not magic or magic != MAGIC[: len(magic)]:
        raise BitstreamError("not an MCM stream", Reason.FOREIGN)
    head = magic + reader.take(min(1, reader.left()))
    if len(head) == 5 and head[4] != VERSION:
        message = f"format version {head[4]}, this reader knows version {VERSION} only"
        raise BitstreamError(message, Reason.VERSION)
    _, _, flags, model, quality = _START.unpack(head + reader.take(_START.size - len(head)))
    unknown = flags & MUST_UNDERSTAND & ~(TRANSPOSED | GRAY | CHUNKS | TILES)
    if unknown:
        names = ", ".join(name for bit, name in RESERVED.items() if unknown & bit)
        message = f"unknown flags {unknown:#04x} ({names}): this reader knows no such streams"
        raise BitstreamError(message, Reason.VERSION)
    return flags, model, quality


def _read_sides(reader: HeaderReader) -> Sides:
    sides = reader.varint() * TILE_UNIT, reader.varint() * TILE_UNIT
    require(are_sides(sides), f"tiles of {sides[0]}x{sides[1]} pixels")
    return sides


def _read_table(reader: HeaderReader, tiles: int, sides: Sides | None) -> list[Entry]:
    require(sides is None or tiles > 1, "a flag for tiles, and a single one")
    if SHORTEST_ENTRY * tiles > reader.left():  # before there is a list of them
        message = f"truncated stream: a table of {tiles} tiles, {reader.left()} bytes are there"
        raise BitstreamError(message, Reason.TRUNCATED)
    return [read_entry(reader) for _ in range(tiles)]
