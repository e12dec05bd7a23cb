"""From images to streams: what `Codec.compress` and its like are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, cast

import torch
from torch import Tensor

from . import alpha, container, tiled
from .channels import Picture, split
from .coding_tiles import cut
from .container import Stream
from .effort import improve, improve_to
from .exact.engine import Coded
from .inputs import check_effort, check_metadata, check_rendering
from .latents import Latents
from .loaded import LoadedModel
from .many import attempt, together
from .pictures import Given, ImageLike, taken
from .rate import Aim, Search
from .transforms import run as transforms
from .warn import warn

if TYPE_CHECKING:
    from .codec import Codec


class Wish(NamedTuple):
    """What a caller asks of the search for better latents: `effort.improve`'s arguments."""

    effort: int
    rendering: str
    objective: str
    importance: Tensor | None
    progress: Callable[[float], None] | None


class Carried(NamedTuple):
    """Latents and what goes beside them."""

    latents: Latents
    alpha: Tensor | None = None  # uint8 (H, W)
    chunks: dict[str, bytes] = {}


class Encoder(LoadedModel):
    """The half of a `Codec` that encodes."""

    def _given(self, picture: ImageLike, metadata: Mapping[str, bytes] | None) -> Given:
        """A picture with the caller's metadata, or its own."""
        given = taken(picture, self.max_pixels)
        check_metadata(metadata)
        return given if metadata is None else given._replace(metadata=dict(metadata))

    def _compress(
        self,
        images: Sequence[Given | Exception],
        aim: Aim,
        tiles: int | None,
        wish: Wish | None,
    ) -> list[bytes | Exception]:
        if aim.target_bpp is not None:
            return [
                attempt(lambda item: self._reach(item, aim, tiles, wish), image) for image in images
            ]
        steps = aim.quality_steps
        carried = [
            attempt(lambda item: self._carried(item, steps, tiles, wish), image) for image in images
        ]
        return together(self._encode, carried)

    def _reach(
        self,
        given: Given,
        aim: Aim,
        tiles: int | None,
        wish: Wish | None,
    ) -> bytes:
        """The stream nearest to a target rate. Metadata do not count."""
        assert aim.target_bpp is not None
        picture = split(given.image)
        features, pixels = self._features(picture.colour), picture.colour[0].numel()

        def plain(quality_steps: int) -> Latents:
            return self._quantize(*features, quality_steps, picture.gray, tiles)

        def stream_of(latents: Latents) -> Stream:
            return self._streams([Carried(latents, picture.alpha)])[0]

        search: Search[Stream] = Search(aim.target_bpp * pixels / 8)
        while search.open:
            if wish is None:
                stream = stream_of(plain(search.quality_steps))
                search.tell(stream.header.total, stream)
            else:
                stream = stream_of(self._improved(picture, search.target, plain, stream_of, wish))
                search.settle(stream.header.total, stream)
        if not search.reached:
            nearest = f"{8 * search.length / pixels:.4f}"
            warn(f"{aim.target_bpp} bpp is out of reach: {nearest} is nearest")
        assert search.best is not None
        search.best.chunks = check_metadata(given.metadata)
        return container.pack(search.best)

    def _carried(
        self, given: Given, quality_steps: int, tiles: int | None, wish: Wish | None = None
    ) -> Carried:
        picture = split(given.image)
        features = self._features(picture.colour)
        latents = self._quantize(*features, quality_steps, picture.gray, tiles)
        if wish is not None:
            latents = improve(cast("Codec", self), picture.colour, latents, **wish._asdict())
        return Carried(latents, picture.alpha, check_metadata(given.metadata))

    def _wish(
        self,
        effort: int,
        rendering: str,
        objective: str,
        importance: Tensor | None,
        progress: Callable[[float], None] | None,
    ) -> Wish | None:
        """None if nothing is to be searched."""
        if check_effort(effort, importance) == 0:
            return None
        check_rendering(rendering, self.renderings)
        return Wish(effort, rendering, objective, importance, progress)

    def _improved(
        self,
        picture: Picture,
        target: float,
        plain: Callable[[int], Latents],
        stream_of: Callable[[Latents], Stream],
        wish: Wish,
    ) -> Latents:
        """Latents whose stream is nearest to `target` bytes."""

        def size(latents: Latents) -> int:
            return stream_of(latents).header.total

        return improve_to(
            cast("Codec", self), picture.colour, target, plain, size=size, **wish._asdict()
        )

    def _features(self, image: Tensor) -> tuple[Tensor, int, int, bool]:
        """The analysis transform of one image before its gain unit, and the image's header.

        A portrait is transposed: its wavefront then takes fewer steps.
        """
        height, width = image.shape[1:]
        transposed = height > width
        options = transposed, self.tile_pixels, self.device
        features = transforms.analysis(self.network, image, *options)
        return features, width, height, transposed

    def _quantize(
        self,
        features: Tensor,
        width: int,
        height: int,
        transposed: bool,
        quality_steps: int,
        gray: bool,
        tiles: int | None,
    ) -> Latents:
        latents = self.network.latents(features, self._level(quality_steps))
        y, z = (t[0].clamp(-(2**15), 2**15 - 1).to(torch.int16) for t in latents)
        sides = tiled.sides_for(max(width, height), min(width, height), tiles)
        size = width, height, quality_steps, transposed
        return Latents(y, z, *size, gray=gray, sides=sides)

    def _encode(self, items: Sequence[Carried]) -> list[bytes]:
        return list(map(container.pack, self._streams(items)))

    def _streams(self, items: Sequence[Carried]) -> list[Stream]:
        """All tiles of all images go to the engine at once."""
        cuts = [tiled.items(each.latents) for each in items]
        results = iter(self.engine.encode([tile for each in cuts for tile in each]))
        return [
            self._stream(item, [next(results)[0] for _ in each])
            for item, each in zip(items, cuts, strict=True)
        ]

    def _stream(self, item: Carried, tiles: list[Coded]) -> Stream:
        latents, plane, chunks = item
        planes: list[bytes | None] | None = None
        if plane is not None:
            rows = (plane.T if latents.transposed else plane).cpu().numpy()
            boxes = cut(*latents.coded_size, latents.sides)
            planes = [alpha.compress(rows[b.top : b.bottom, b.left : b.right]) for b in boxes]
        header = latents.quality_steps, latents.width, latents.height, latents.transposed
        extras = chunks, latents.gray, latents.sides, planes
        return Stream(self.integers.id, *header, list(tiles), *extras)
