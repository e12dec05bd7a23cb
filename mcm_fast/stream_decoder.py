"""From a stream to its picture, whatever computes: what `Codec` (tensors) and `PixelDecoder`
(arrays) share. Imports no torch.

Planes are [C, h, w] and images (C, H, W), tensors or arrays.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from . import alpha, container, tiled
from .coding_tiles import Tile
from .container import Bytes, Header, Source, Stream
from .container.stream import Wanted
from .errors import BitstreamError, Reason
from .exact.engine import Parameters, Part
from .inputs import OnDamage, check_box, check_on_damage
from .latents import Painted
from .limits import MAX_LATENTS, TILE_UNIT
from .warn import warn

AnyStream = Bytes | Source | Stream
TilesOf = dict[int, Any]  # a stream's tiles that were decoded: y, z, of one tile Parameters; errors
DAMAGED_GRAY = 128
BAND = 2**24  # pixels, about, of a tiled image that are painted at once


class Sight(NamedTuple):
    """What a painter sees."""

    window: Callable[[Tile, int, int], Tile]  # of a box, in coded orientation, of such an image
    everywhere: bool  # painting part by part gives the same pixels
    scale: int = 1  # pixels of the image along the side of one that it paints
    y_alone: bool = False  # it does not ask what the entropy model says of y


class StreamDecoder(ABC):
    """Reads, decodes and paints. A painter makes pixels of latents: a network, or integers."""

    max_pixels: int

    @property
    @abstractmethod
    def _model_id(self) -> bytes: ...

    @property
    @abstractmethod
    def _channels(self) -> tuple[int, int]:
        """Of y and of z."""

    @property
    @abstractmethod
    def _hyper_channels(self) -> int: ...

    @abstractmethod
    def _decode_items(self, items: Sequence[Any]) -> Sequence[Any]:
        """`Engine.decode`."""

    @abstractmethod
    def _decode_rows(self, items: Sequence[Any], rows: Sequence[int]) -> Sequence[Any]:
        """`Engine.decode_rows`."""

    @abstractmethod
    def _parameters(self, y: Any, z: Any, quality: int, part: Part) -> Parameters:
        """`Engine.parameters`."""

    @abstractmethod
    def _sight(self, painter: Any) -> Sight: ...

    @abstractmethod
    def _colours(self, painted: Painted, quality: int, gray: bool, painter: Any) -> Any:
        """An image of 3 channels, or of 1 if `gray`, in the user's orientation."""

    @abstractmethod
    def _with_alpha(self, image: Any, plane: np.ndarray) -> Any:
        """An image with one channel more, uint8 (h, w)."""

    @abstractmethod
    def _canvas(self, channels: int, height: int, width: int) -> Any:
        """An image to be filled."""

    @abstractmethod
    def _plane(self, array: np.ndarray) -> Any:
        """An array as the planes of this decoder are."""

    def _decompress(
        self,
        stream: AnyStream,
        painter: Any,
        box: tuple[int, int, int, int] | None,
        on_damage: OnDamage,
    ) -> Any:
        """The image of a stream, or a box of it."""
        blank = check_on_damage(on_damage)

        def part_of(image: Header | Stream) -> Tile:
            size = image.width, image.height
            return check_box((0, 0, *size) if box is None else box, *size)

        wanted = None if box is None else lambda head: self._needed(head, part_of(head), painter)
        stream = self._open(stream, wanted, blank)
        return self._picture(stream, {}, part_of(stream), painter, blank)

    def _open(
        self,
        stream: AnyStream,
        wanted: Wanted | None = None,
        keep_damaged: bool = False,
    ) -> Stream:
        """All of a stream that can be checked before its latents are decoded."""
        if not isinstance(stream, Stream):
            stream = container.unpack(
                stream, self.max_pixels, wanted=wanted, keep_damaged=keep_damaged
            )
        if stream.model != self._model_id:
            ids = f"a stream of model {stream.model.hex()}; this is model {self._model_id.hex()}"
            raise BitstreamError(ids, Reason.UNKNOWN_MODEL)
        for tile in stream.places:
            height, width = tile.grid()
            if height * width * sum(self._channels) > MAX_LATENTS:
                size = f"{stream.width}x{stream.height}"
                raise BitstreamError(f"an image of {size}: too many latents", Reason.TOO_LARGE)
        return stream

    def _decode_tiles(self, streams: Sequence[Stream]) -> list[TilesOf]:
        """All tiles of all streams at once."""
        wanted = [[i for i, tile in enumerate(s.tiles) if tile is not None] for s in streams]
        items = [
            (stream.tiles[i], *stream.places[i].grid(), stream.quality)
            for stream, indexes in zip(streams, wanted, strict=True)
            for i in indexes
        ]
        results = iter(self._decode_items(items))
        return [{i: next(results) for i in indexes} for indexes in wanted]

    def _picture(
        self, stream: Stream, decoded: TilesOf, box: Tile, painter: Any, blank: bool
    ) -> Any:
        """A box of the image with its alpha; with `blank`, damaged tiles are gray and opaque.

        `decoded`: tiles that have been decoded; others are when they are needed. Of a painter with
        a scale it is the box of the pixels that it touches.
        """
        damage, scale = dict(stream.damage), self._sight(painter).scale
        box = _whole_pixels(box, scale, stream)
        drawn, bands = box.divided(scale), self._bands(stream, box, painter)
        y_seen, image = self._y_seen(stream, box, painter), None
        for band in bands:
            self._decode_missing(stream, decoded, self._needed(stream, band, painter), y_seen)
            part = self._part(stream, decoded, band, painter, damage, blank)
            if len(bands) == 1:
                image = part
                break
            if image is None:
                size = drawn.bottom - drawn.top, drawn.right - drawn.left
                image = self._canvas(len(part), *size)
            left, top, right, bottom = band.divided(scale)
            rows = slice(top - drawn.top, bottom - drawn.top)
            image[:, rows, left - drawn.left : right - drawn.left] = part
        if damage:
            _blank(image, stream, box, damage, scale)
        return image

    def _bands(self, stream: Stream, box: Tile, painter: Any) -> list[Tile]:
        """A box in rows, so that not all latents of a tiled image are held at once."""
        if stream.sides is None or not self._sight(painter).everywhere:
            return [box]
        left, top, right, bottom = box.turned(stream.transposed)
        step = TILE_UNIT * max(1, BAND // (TILE_UNIT * (right - left)))
        edges = [top, *range((top // step + 1) * step, bottom, step), bottom]
        bands = [Tile(left, a, right, b) for a, b in zip(edges, edges[1:], strict=False)]
        return [band.turned(stream.transposed) for band in bands]

    def _part(
        self,
        stream: Stream,
        decoded: TilesOf,
        box: Tile,
        painter: Any,
        damage: dict[int, BitstreamError],
        blank: bool,
    ) -> Any:
        """A box of the image with its alpha; what is damaged goes to `damage`."""
        if blank:
            damage |= {i: each for i, each in decoded.items() if isinstance(each, BitstreamError)}
            empty = {i: self._empty_tile(stream.places[i]) for i in damage}
            decoded = dict(sorted((decoded | empty).items()))
        image = self._region(stream, decoded, box, painter)
        if stream.alpha is not None:
            plane = alpha.of_box(stream, box, damage, blank)
            image = self._with_alpha(image, alpha.shrunk(plane, self._sight(painter).scale))
        return image

    def _decode_missing(
        self, stream: Stream, decoded: TilesOf, indexes: list[int], y_seen: Tile
    ) -> None:
        """Makes `decoded` these tiles, those that are there, in their order."""
        for i in decoded.keys() - set(indexes):
            del decoded[i]
        new = [i for i in indexes if i not in decoded and stream.tiles[i] is not None]
        places = stream.places
        items = [(stream.tiles[i], *places[i].grid(), stream.quality) for i in new]
        if stream.sides is None:
            found = self._decode_items(items)
        else:  # `_painted` asks for the parameters of all tiles together
            found = self._decode_rows(items, [tiled.rows_seen(places[i], y_seen) for i in new])
        ordered = sorted((decoded | dict(zip(new, found, strict=True))).items())
        decoded.clear()
        decoded |= ordered

    def _empty_tile(self, place: Tile) -> tuple[Any, Any, Parameters]:
        height, width = place.grid()
        y = np.zeros((self._channels[0], height, width), np.int16)
        z = np.zeros((self._channels[1], -(-height // 4), -(-width // 4)), np.int16)
        hyper = np.zeros((self._hyper_channels, height, width), np.int8)
        said = y.copy(), np.zeros(y.shape, np.uint8), hyper
        return self._plane(y), self._plane(z), Parameters(*map(self._plane, said))

    def _window(self, header: Header | Stream, box: Tile, painter: Any) -> Tile:
        """A box of the image -> all that its painter sees, in coded orientation."""
        return self._sight(painter).window(box.turned(header.transposed), *header.coded_size)

    def _y_seen(self, stream: Stream, box: Tile, painter: Any) -> Tile:
        """The y that a box of the image depends on."""
        window = self._window(stream, box, painter)
        if stream.sides is None or self._sight(painter).y_alone:
            return window
        return tiled.seen_by_contexts(window, *stream.coded_size)

    def _region(self, stream: Stream, decoded: TilesOf, box: Tile, painter: Any) -> Any:
        """A box of the image of a stream, of which the tiles that it sees were decoded."""
        window = self._window(stream, box, painter)
        y, parameters = self._painted(stream, decoded, window, self._sight(painter).y_alone)
        left, top, right, bottom = box.turned(stream.transposed)
        part = Tile(left - window.left, top - window.top, right - window.left, bottom - window.top)
        painted = Painted(y, parameters, part, stream.transposed)
        return self._colours(painted, stream.quality, stream.gray, painter)

    def _painted(
        self, stream: Stream, decoded: TilesOf, window: Tile, y_alone: bool
    ) -> tuple[Any, Parameters | None]:
        """y of a window, and what the entropy model of the whole image says of it."""
        places, size = stream.places, stream.coded_size
        seen = window if y_alone else tiled.seen_by_entropy_model(window, *size)
        decoded = {i: each for i, each in decoded.items() if places[i].meets(seen)}
        good, tiles = good_tiles(decoded), [places[i] for i in decoded]
        if y_alone:
            return tiled.join_planes([each[0] for each in good], tiles, window), None
        if stream.sides is None:
            y, _, parameters = good[0]
            parameters = tiled.join_parameters([parameters], tiles, window)
            return tiled.join_planes([y], tiles, window), parameters
        y, z = tiled.join(good, tiles, seen)
        parameters = self._parameters(y, z, stream.quality, tiled.place_of(window, seen))
        return tiled.join_planes([y], [seen], window), parameters

    def _needed(self, header: Header | Stream, box: Tile, painter: Any) -> list[int]:
        """The tiles that a box of the image sees."""
        seen = self._window(header, box, painter)
        if not self._sight(painter).y_alone:
            seen = tiled.seen_by_entropy_model(seen, *header.coded_size)
        places = header.places if isinstance(header, Stream) else header.tiles
        return [i for i, tile in enumerate(places) if tile.meets(seen)]


def good_tiles(decoded: TilesOf) -> list[Any]:
    """The tiles in their order. Raises the first one's error."""
    for each in decoded.values():
        if isinstance(each, BitstreamError):
            raise each
    return list(decoded.values())


def _whole_pixels(box: Tile, scale: int, stream: Stream) -> Tile:
    """All that the pixels at 1/scale stand for that a box touches."""
    left, top, right, bottom = (scale * n for n in box.divided(scale))
    return Tile(left, top, min(right, stream.width), min(bottom, stream.height))


def _blank(
    image: Any, stream: Stream, box: Tile, damage: dict[int, BitstreamError], scale: int
) -> None:
    """Paints damaged tiles of a box at 1/scale gray, and warns of them."""
    boxes = []
    for i in sorted(damage):
        tile = stream.places[i].turned(stream.transposed)
        if tile.meets(box):
            at, drawn = tile.divided(scale), box.divided(scale)
            rows = slice(max(0, at.top - drawn.top), max(0, at.bottom - drawn.top))
            columns = slice(max(0, at.left - drawn.left), max(0, at.right - drawn.left))
            colours = 1 if stream.gray else 3
            image[:colours, rows, columns] = DAMAGED_GRAY
            image[colours:, rows, columns] = 255
            boxes.append(tuple(tile))
    if boxes:
        warn(f"damaged tiles are gray: {boxes}")
