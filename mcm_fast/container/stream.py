"""All that a `.mcm` file says, as an object; `pack` writes what `unpack` reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from ..coding_tiles import Sides, Tile, are_sides, count, cut
from ..errors import BitstreamError, caught
from ..exact.engine import Coded
from ..limits import MAX_CHUNKS, MAX_PIXELS, MAX_SIDE
from . import chunks as chunk_list
from .checks import CHECKSUM_BYTES, sealed, unsealed
from .header import Header, check_length, read_header
from .source import Bytes, Source, as_source
from .tiles import entry_of, problems_of, read_payload, write_payload

T = TypeVar("T")
Wanted = Callable[[Header], Iterable[int]]  # a header -> the tiles to read


@dataclass(eq=False)
class Stream:
    """A stream, or the part of it that was asked for.

    `model` is the 8 bytes of the model id, `quality` counts hundredths (0..10000), `width` and
    `height` are the image's as the user sees it, whatever `transposed` says. `tiles` are row by row
    in coded orientation, None where a tile was not asked for or is damaged, and `sides` theirs in
    pixels (None: there is one tile). `chunks` maps a type, four ASCII letters of which the first is
    in lower case, to its bytes. `alpha` has the zlib stream of each tile.
    """

    model: bytes
    quality: int
    width: int
    height: int
    transposed: bool
    tiles: list[Coded | None]
    chunks: dict[str, bytes] = field(default_factory=dict)
    gray: bool = False
    sides: Sides | None = None
    alpha: list[bytes | None] | None = None
    damage: dict[int, BitstreamError] = field(default_factory=dict)  # tile -> what is wrong
    lost: list[str] = field(default_factory=list)  # chunks that are damaged

    @property
    def coded_size(self) -> tuple[int, int]:
        """Width and height in coded orientation."""
        size = self.width, self.height
        return size[::-1] if self.transposed else size

    @property
    def places(self) -> list[Tile]:
        """The tiles' rectangles in coded orientation."""
        return cut(*self.coded_size, self.sides)

    @property
    def header(self) -> Header:
        """Of a stream that is whole."""
        sizes = {name: len(content) for name, content in self.chunks.items()}
        if self.alpha is not None:
            sizes[chunk_list.ALPHA] = len(chunk_list.write_alpha(_whole(self.alpha)))
        entries = [entry_of(tile) for tile in _whole(self.tiles)]
        size = self.width, self.height
        of_image = self.model, self.quality, *size, self.transposed, self.gray, self.sides
        return Header(*of_image, entries, sizes)


def pack(stream: Stream) -> bytes:
    """The bytes of `stream`. Raises ValueError for a field the format cannot hold."""
    _check_fields(stream)
    header = stream.header
    out = [header.packed, *map(sealed, stream.chunks.values())]
    for coded, tile in zip(_whole(stream.tiles), header.tiles, strict=True):
        out.append(sealed(write_payload(coded, tile.pixels)))
    if stream.alpha is not None:
        out.append(sealed(chunk_list.write_alpha(_whole(stream.alpha))))
    return b"".join(out)


def unpack(
    data: Bytes | Source,
    max_pixels: int = MAX_PIXELS,
    *,
    wanted: Wanted | None = None,
    keep_damaged: bool = False,
) -> Stream:
    """The `Stream` that `data` holds, after every check that needs no model.

    The caller still has to check the model's id, the exceptions' range and the final states.

    Args:
        wanted: of the stream's header, the tiles to read, and no chunk but alpha's part of these.
            None: all there is.
        keep_damaged: note damaged or missing tiles instead of refusing the stream, and leave out
            what cannot be read beside them. The header must be whole in any case.

    Raises BitstreamError for anything that `pack` could not have written, but for what FORMAT.md
    lets a reader ignore, and for images of more than `max_pixels` (see `read_header`).
    """
    source = as_source(data)
    header = read_header(source, max_pixels)
    if not keep_damaged:
        check_length(header, source)
    reader = _Reader(header, source, keep_damaged)
    if wanted is None:
        indexes: Iterable[int] = range(len(header.tiles))
        chunks, alpha = reader.chunks(), reader.whole_alpha()
    else:
        indexes, chunks = set(wanted(header)), {}
        alpha = reader.alpha(indexes)
    tiles: list[Coded | None] = [None] * len(header.tiles)
    for index in indexes:
        tiles[index] = reader.tile(index)
    of_image = header.model, header.quality, header.width, header.height, header.transposed
    extras = header.gray, header.sides, alpha, reader.damage, reader.lost
    return Stream(*of_image, tiles, chunks, *extras)


def read_chunks(data: Bytes | Source) -> dict[str, bytes]:
    """The chunks of a stream that a reader may ignore, and nothing else of it."""
    source = as_source(data)
    return _Reader(read_header(source, 2**64), source, False).chunks()


class _Reader:
    """Reads the parts of a stream behind its header. Errors are raised, or kept in `damage`."""

    def __init__(self, header: Header, source: Source, keep_damaged: bool) -> None:
        self.header, self.source, self.keep_damaged = header, source, keep_damaged
        self.damage: dict[int, BitstreamError] = {}
        self.lost: list[str] = []

    def tile(self, index: int) -> Coded | None:
        outcome = caught(self._tile, index)
        if not isinstance(outcome, BitstreamError):
            return outcome
        if not self.keep_damaged:
            raise outcome
        self.damage[index] = outcome
        return None

    def _tile(self, index: int) -> Coded:
        payload = self._part(*self.header.tile_places[index], f"tile {index}")
        return read_payload(self.header.entries[index], payload)

    def chunks(self) -> dict[str, bytes]:
        chunks = {}
        for name, place in self.header.chunk_places.items():
            if chunk_list.may_be_ignored(name):
                content = self._chunk(name, place)
                if content is not None:
                    chunks[name] = content
        return chunks

    def _chunk(self, name: str, place: tuple[int, int]) -> bytes | None:
        content = caught(self._part, *place, f"chunk {name!r}")
        if not isinstance(content, BitstreamError):
            return content
        if not self.keep_damaged:
            raise content
        self.lost.append(name)
        return None

    def whole_alpha(self) -> list[bytes | None] | None:
        """Every tile's zlib stream, of a chunk whose checksum holds."""
        place = self.header.chunk_places.get(chunk_list.ALPHA)
        if place is not None:
            self._chunk(chunk_list.ALPHA, place)
        return self.alpha(range(len(self.header.tiles)))

    def alpha(self, indexes: Iterable[int]) -> list[bytes | None] | None:
        """These tiles' zlib streams; None for others."""
        place = self.header.chunk_places.get(chunk_list.ALPHA)
        if place is None:
            return None
        count = len(self.header.tiles)
        tiles: list[bytes | None] = [None] * count
        places = caught(chunk_list.alpha_places, self.source, *place, count)
        if isinstance(places, BitstreamError):
            if not self.keep_damaged:
                raise places
            return tiles
        for index in indexes:
            content = caught(self.source.read, *places[index])
            if not isinstance(content, BitstreamError):
                tiles[index] = content
            elif not self.keep_damaged:
                raise content
        return tiles

    def _part(self, start: int, size: int, what: str) -> bytes:
        return unsealed(self.source.read(start, size + CHECKSUM_BYTES), what)


def _whole(parts: Sequence[T | None]) -> list[T]:
    whole = [part for part in parts if part is not None]
    if len(whole) < len(parts):
        raise ValueError("a stream of which only some tiles were read cannot be written")
    return whole


def _check_fields(stream: Stream) -> None:
    size = stream.coded_size
    problems = {
        f"model id of {len(stream.model)} bytes": len(stream.model) != 8,
        f"quality {stream.quality}": not 0 <= stream.quality <= 10000,
        f"width {stream.width}": not 1 <= stream.width <= MAX_SIDE,
        f"height {stream.height}": not 1 <= stream.height <= MAX_SIDE,
        f"tiles of {stream.sides}": stream.sides is not None
        and (not are_sides(stream.sides) or count(*size, stream.sides) < 2),
        f"{len(stream.chunks)} chunks": len(stream.chunks) + (stream.alpha is not None)
        > MAX_CHUNKS,
        f"chunk types {list(stream.chunks)[:9]}": not all(
            chunk_list.is_type(name) and chunk_list.may_be_ignored(name) for name in stream.chunks
        ),
        "chunks that are not bytes": not all(
            isinstance(content, bytes) for content in stream.chunks.values()
        ),
    }
    _refuse(problems)
    tiles = count(*size, stream.sides)
    alpha = tiles if stream.alpha is None else len(stream.alpha)
    _refuse({f"{len(stream.tiles)} tiles instead of {tiles}": len(stream.tiles) != tiles})
    _refuse({f"alpha of {alpha} tiles instead of {tiles}": alpha != tiles})
    for coded in _whole(stream.tiles):
        _refuse(problems_of(coded))


def _refuse(problems: dict[str, bool]) -> None:
    bad = [problem for problem, is_bad in problems.items() if is_bad]
    if bad:
        raise ValueError(f"a stream cannot hold {', '.join(bad)}")
