"""Chunks: what a stream carries beside the latents, by a type of four letters.

A type that begins in lower case may be ignored, and stands before the tiles; one that begins in
upper case must be understood, and stands after them.
"""

from __future__ import annotations

from ..errors import BitstreamError, Reason
from ..limits import MAX_CHUNKS
from . import varint
from .checks import require
from .source import HeaderReader, Source

ALPHA = "Alph"


def is_type(name: str) -> bool:
    return len(name) == 4 and name.isascii() and name.isalpha()


def may_be_ignored(name: str) -> bool:
    return name[0].islower()


def write_list(chunks: dict[str, int]) -> bytes:
    """The list of types and lengths."""
    entries = (name.encode("ascii") + varint.write(size) for name, size in chunks.items())
    return varint.write(len(chunks)) + b"".join(entries)


def read_list(reader: HeaderReader) -> dict[str, int]:
    """Types and lengths in the order of the list. Raises BitstreamError."""
    chunks: dict[str, int] = {}
    count = reader.varint()
    require(0 < count <= MAX_CHUNKS, f"a flag for chunks, and {count} of them")
    for _ in range(count):
        name = reader.take(4).decode("latin-1")
        require(is_type(name), f"a chunk of type {name!r}")
        require(name not in chunks, f"two chunks of type {name!r}")
        require(
            ALPHA not in chunks or not may_be_ignored(name), f"chunk {name!r} in the wrong place"
        )
        if not may_be_ignored(name) and name != ALPHA:
            message = f"unknown chunk {name!r} that must not be ignored: made by a newer writer"
            raise BitstreamError(message, Reason.VERSION)
        chunks[name] = reader.varint()
    return chunks


def write_alpha(tiles: list[bytes]) -> bytes:
    """The alpha chunk: the length of each tile's zlib stream, then these."""
    return b"".join(varint.write(len(tile)) for tile in tiles) + b"".join(tiles)


def alpha_places(source: Source, start: int, size: int, tiles: int) -> list[tuple[int, int]]:
    """Where in the source each tile's zlib stream begins, and its length. Raises BitstreamError."""
    require(size >= tiles, f"{size} bytes of alpha for {tiles} tiles")
    table = source.read(start, min(size, 5 * tiles))
    position, lengths = 0, []

    def take(count: int) -> bytes:
        nonlocal position
        position += count
        require(position <= len(table), "alpha's lengths are cut off")
        return table[position - count : position]

    for _ in range(tiles):
        lengths.append(varint.read(take))
    require(position + sum(lengths) == size, "alpha's lengths do not add up")
    places, place = [], start + position
    for length in lengths:
        places.append((place, length))
        place += length
    return places
