"""From streams to images: what `Codec.decompress` and its like are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from . import alpha, container, tiled
from .channels import gray_of
from .coding_tiles import BLOCK, Tile
from .container import Bytes, Header, Source, Stream
from .errors import BitstreamError, Reason, caught
from .exact.engine import CodedItem, Decoded, Parameters
from .latents import Latents, Painted
from .limits import MAX_LATENTS
from .loaded import LoadedModel
from .network.transforms import Synthesis
from .transforms import run as transforms
from .transforms.tiles import synthesis_reach
from .warn import warn

TilesOf = dict[int, Decoded | BitstreamError]  # a stream's tiles that were decoded
DAMAGED_GRAY = 128


class Decoder(LoadedModel):
    """The half of a `Codec` that decodes."""

    def _open(
        self,
        stream: Bytes | Source | Stream,
        wanted: Callable[[Header], Sequence[int]] | None = None,
        keep_damaged: bool = False,
    ) -> Stream:
        """All of a stream that can be checked before its latents are decoded."""
        if not isinstance(stream, Stream):
            stream = container.unpack(
                stream, self.max_pixels, wanted=wanted, keep_damaged=keep_damaged
            )
        if stream.model != self.integers.id:
            ids = f"a stream of model {stream.model.hex()}; this is model {self.integers.id.hex()}"
            raise BitstreamError(ids, Reason.UNKNOWN_MODEL)
        for tile in stream.places:
            height, width = tile.grid()
            if height * width * sum(self._channels) > MAX_LATENTS:
                size = f"{stream.width}x{stream.height}"
                raise BitstreamError(f"an image of {size}: too many latents", Reason.TOO_LARGE)
        return stream

    def _decode_tiles(self, streams: Sequence[Stream]) -> list[TilesOf]:
        """All tiles of all streams go to the engine at once."""
        items: list[CodedItem] = []
        found = []
        for stream in streams:
            pairs = enumerate(zip(stream.tiles, stream.places, strict=True))
            present = {i: (coded, tile) for i, (coded, tile) in pairs if coded is not None}
            items += [(coded, *tile.grid(), stream.quality) for coded, tile in present.values()]
            found.append(present)
        results = iter(self.engine.decode(items))
        return [{i: next(results) for i in present} for present in found]

    def _decode(self, streams: Sequence[Stream]) -> list[Latents | Exception]:
        """The latents of whole streams."""
        return [
            caught(self._latents, stream, decoded)
            for stream, decoded in zip(streams, self._decode_tiles(streams), strict=True)
        ]

    def _latents(self, stream: Stream, decoded: TilesOf) -> Latents:
        whole = Tile(0, 0, *stream.coded_size)
        good = _good(decoded)
        y, z = tiled.join(good, stream.places, whole)
        parameters = good[0][2] if stream.sides is None else None
        header = stream.width, stream.height, stream.quality, stream.transposed
        return Latents(y, z, *header, stream.gray, stream.sides).knowing(parameters)

    def _paint(self, latents: Latents, synthesis: Synthesis) -> Tensor:
        parameters = tiled.parameters(self.engine, latents)
        whole = Tile(0, 0, *latents.coded_size)
        painted = Painted(latents.y, parameters, whole, latents.transposed)
        image = self._synthesis(painted, latents.quality_steps, synthesis)
        return gray_of(image) if latents.gray else image

    def _synthesis(self, painted: Painted, quality_steps: int, synthesis: Synthesis) -> Tensor:
        level = self._level(quality_steps)
        return transforms.synthesis(self.network, synthesis, painted, level, self.tile_pixels)

    def _window(self, header: Header | Stream, box: Tile) -> Tile:
        """A box of the image -> all that its synthesis sees, in coded orientation."""
        left, top, right, bottom = box.turned(header.transposed)
        width, height = header.coded_size
        pair = 2 * BLOCK  # attention pairs neighbours
        reach = -(-synthesis_reach(self.network.config) // 2) * pair
        return Tile(
            max(0, left // pair * pair - reach),
            max(0, top // pair * pair - reach),
            min(width, -(-right // pair) * pair + reach),
            min(height, -(-bottom // pair) * pair + reach),
        )

    def _region(self, stream: Stream, decoded: TilesOf, box: Tile, synthesis: Synthesis) -> Tensor:
        """A box of the image of a stream, of which the tiles that it sees were decoded."""
        window = self._window(stream, box)
        y, parameters = self._painted(stream, decoded, window)
        left, top, right, bottom = box.turned(stream.transposed)
        part = Tile(left - window.left, top - window.top, right - window.left, bottom - window.top)
        painted = Painted(y, parameters, part, stream.transposed)
        image = self._synthesis(painted, stream.quality, synthesis)
        return gray_of(image) if stream.gray else image

    def _painted(self, stream: Stream, decoded: TilesOf, window: Tile) -> tuple[Tensor, Parameters]:
        """y of a window, and what the entropy model of the whole image says of it."""
        seen, places = self._seen(stream, window), stream.places
        decoded = {i: each for i, each in decoded.items() if places[i].meets(seen)}
        good, tiles = _good(decoded), [places[i] for i in decoded]
        if stream.sides is None:
            y, _, parameters = good[0]
        else:
            y, z = tiled.join(good, tiles, seen)
            parameters, tiles = self.engine.parameters(y, z, stream.quality), [seen]
        y = tiled.join_planes([y], tiles, window)
        return y, tiled.join_parameters([parameters], tiles, window)

    def _seen(self, header: Header | Stream, window: Tile) -> Tile:
        return tiled.seen_by_entropy_model(window, *header.coded_size)

    def _needed(self, header: Header, box: Tile) -> list[int]:
        """The tiles that a box of the image sees."""
        seen = self._seen(header, self._window(header, box))
        return [i for i, tile in enumerate(header.tiles) if tile.meets(seen)]

    def _whole(self, stream: Stream, decoded: TilesOf, synthesis: Synthesis, blank: bool) -> Tensor:
        box = Tile(0, 0, stream.width, stream.height)
        return self._picture(stream, decoded, box, synthesis, blank)

    def _picture(
        self, stream: Stream, decoded: TilesOf, box: Tile, synthesis: Synthesis, blank: bool
    ) -> Tensor:
        """A box of the image with its alpha; with `blank`, damaged tiles are gray and opaque."""
        damage = dict(stream.damage)
        if blank:
            damage |= {i: e for i, e in decoded.items() if isinstance(e, BitstreamError)}
            empty = self._empty_tiles(stream, damage)
            decoded = dict(sorted((decoded | empty).items()))
        image = self._region(stream, decoded, box, synthesis)
        if stream.alpha is not None:
            image = torch.cat((image, self._alpha(stream, box, damage, blank)))
        if damage:
            _blank(image, stream, box, damage)
        return image

    def _empty_tiles(self, stream: Stream, damage: dict[int, BitstreamError]) -> TilesOf:
        channels, features = self._channels, self.integers.hyper_channels
        empty: TilesOf = {}
        for i in damage:
            height, width = stream.places[i].grid()
            y = torch.zeros(channels[0], height, width, dtype=torch.int16)
            z = torch.zeros(channels[1], -(-height // 4), -(-width // 4), dtype=torch.int16)
            hyper = torch.zeros(features, height, width, dtype=torch.int8)
            empty[i] = y, z, Parameters(torch.zeros_like(y), y.to(torch.uint8), hyper)
        return empty

    def _alpha(
        self, stream: Stream, box: Tile, damage: dict[int, BitstreamError], keep: bool
    ) -> Tensor:
        """Alpha of a box: uint8 (1, h, w) on the codec's device. A damaged tile's is opaque."""
        assert stream.alpha is not None
        coded = box.turned(stream.transposed)
        out = torch.full((coded.bottom - coded.top, coded.right - coded.left), 255).byte()
        for i, tile in enumerate(stream.places):
            if not tile.meets(coded):
                continue
            plane = caught(_inflated, stream.alpha[i], tile)
            if isinstance(plane, BitstreamError):
                if not keep:
                    raise plane
                damage.setdefault(i, plane)
                continue
            left, top = max(tile.left, coded.left), max(tile.top, coded.top)
            right, bottom = min(tile.right, coded.right), min(tile.bottom, coded.bottom)
            part = plane[top - tile.top : bottom - tile.top, left - tile.left : right - tile.left]
            rows = slice(top - coded.top, bottom - coded.top)
            out[rows, left - coded.left : right - coded.left] = part
        return (out.T if stream.transposed else out)[None].to(self.device)


def _good(decoded: TilesOf) -> list[Decoded]:
    """The tiles in their order. Raises the first one's error."""
    for each in decoded.values():
        if isinstance(each, BitstreamError):
            raise each
    return list(decoded.values())  # type: ignore[arg-type]


def _inflated(data: bytes | None, tile: Tile) -> Tensor:
    if data is None:
        raise BitstreamError("truncated stream: alpha is missing", Reason.TRUNCATED)
    size = tile.bottom - tile.top, tile.right - tile.left
    return torch.from_numpy(alpha.decompress(data, *size))


def _blank(image: Tensor, stream: Stream, box: Tile, damage: dict[int, BitstreamError]) -> None:
    """Paints damaged tiles gray, and warns of them."""
    boxes = []
    for i in sorted(damage):
        tile = stream.places[i].turned(stream.transposed)
        if tile.meets(box):
            rows = slice(max(0, tile.top - box.top), max(0, tile.bottom - box.top))
            columns = slice(max(0, tile.left - box.left), max(0, tile.right - box.left))
            colours = 1 if stream.gray else 3
            image[:colours, rows, columns] = DAMAGED_GRAY
            image[colours:, rows, columns] = 255
            boxes.append(tuple(tile))
    if boxes:
        warn(f"damaged tiles are gray: {boxes}")
