"""The road, both directions:

    image --analysis--> latents --encode--> bytes        compress
    image <-synthesis-- latents <--decode-- bytes        decompress

analysis and synthesis are floating point; encode and decode are integers only. Inside, everything
is a list, whose items may be exceptions (see `many`); the public methods unwrap it.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal, overload

import torch
from torch import Tensor

from . import container
from .container import Stream
from .errors import BitstreamError, Reason
from .exact.engine import Coded, Parameters
from .inputs import (
    Bytes,
    as_bytes,
    check_aim,
    check_image,
    check_latents,
    check_many,
    check_metadata,
    check_on_error,
    check_quality,
    check_rendering,
)
from .latents import Latents, grid
from .limits import MAX_LATENTS
from .loaded import FAITHFUL, LoadedModel
from .many import OnError, attempt, settle, single, together
from .network.transforms import Synthesis
from .rate import Aim, Search
from .state import undisturbed
from .transforms import run as transforms


class Codec(LoadedModel):
    """One model on one device. Made by `load`, `Codec.from_file` or `Codec.untrained`.

    Any number of threads may use one at once, and so may forked children (see `fork`).
    """

    @undisturbed()
    def compress(
        self,
        image: Tensor,
        quality: float | None = None,
        *,
        target_bpp: float | None = None,
        metadata: Mapping[str, bytes] | None = None,
    ) -> bytes:
        """Compress an image.

        Args:
            image: (3, H, W), uint8 or float in [0, 1], on any device.
            quality: 0 .. 100, in steps of 0.01; 50 if neither it nor target_bpp is given.
            target_bpp: instead of a quality, bits a pixel of the stream without its metadata, found
                by bisection over the quality. Warns (UserWarning) when no quality comes within 2 %.
            metadata: to carry beside the picture: {"icc_profile": ..., "exif": ...}, bytes.

        Returns: the stream.
        Raises ValueError for anything else, and for an image above `max_pixels`.
        """
        aim, chunks = check_aim(quality, target_bpp), check_metadata(metadata)
        image = check_image(image, self.max_pixels)
        return single(self._compress([image], aim, chunks)[0])

    @overload
    def compress_many(
        self,
        images: Sequence[Tensor] | Tensor,
        quality: float | None = None,
        *,
        target_bpp: float | None = None,
        metadata: Mapping[str, bytes] | None = None,
        on_error: Literal["raise"] = "raise",
    ) -> list[bytes]: ...

    @overload
    def compress_many(
        self,
        images: Sequence[Tensor] | Tensor,
        quality: float | None = None,
        *,
        target_bpp: float | None = None,
        metadata: Mapping[str, bytes] | None = None,
        on_error: Literal["return"],
    ) -> list[bytes | Exception]: ...

    @undisturbed()
    def compress_many(
        self,
        images: Sequence[Tensor] | Tensor,
        quality: float | None = None,
        *,
        target_bpp: float | None = None,
        metadata: Mapping[str, bytes] | None = None,
        on_error: OnError = "raise",
    ) -> Any:
        """Compress images of any sizes: a list of (3, H, W), or a batch (N, 3, H, W).

        Each stream equals that of `compress`, whose arguments these are. `on_error`: "raise" the
        first error with its image's index, or "return" each in its image's place.
        """
        check_on_error(on_error)
        aim, chunks = check_aim(quality, target_bpp), check_metadata(metadata)
        checked = [
            attempt(lambda item: check_image(item, self.max_pixels), image)
            for image in check_many(images, "images")
        ]
        return settle(self._compress(settle(checked, on_error), aim, chunks), on_error)

    @undisturbed()
    def analysis(self, image: Tensor, quality: float = 50.0) -> Latents:
        """Image (3, H, W) -> its latents at a quality."""
        steps = check_quality(quality)
        return self._latents_of(check_image(image, self.max_pixels), steps)

    @undisturbed()
    def encode(self, latents: Latents, metadata: Mapping[str, bytes] | None = None) -> bytes:
        """Latents -> the stream. Equal latents give equal bytes on every engine."""
        check_latents(latents, self._channels)
        return self._encode([latents], check_metadata(metadata))[0]

    @undisturbed()
    def decompress(self, stream: Bytes | Stream, rendering: str = FAITHFUL) -> Tensor:
        """The image of a stream: uint8 (3, H, W) on the codec's device.

        Args:
            stream: bytes, a binary file, or what `container.unpack` made of them.
            rendering: which of the model's syntheses paints the picture.

        Raises BitstreamError for bytes that are not a whole stream of this model, or of an image
        above `max_pixels`; ValueError for a rendering that the model does not have.
        """
        synthesis = check_rendering(rendering, self.renderings)
        return self._synthesis(single(self._decode([self._unpack(stream)])[0]), synthesis)

    @overload
    def decompress_many(
        self,
        streams: Sequence[Bytes | Stream],
        rendering: str = FAITHFUL,
        *,
        on_error: Literal["raise"] = "raise",
    ) -> list[Tensor]: ...

    @overload
    def decompress_many(
        self,
        streams: Sequence[Bytes | Stream],
        rendering: str = FAITHFUL,
        *,
        on_error: Literal["return"],
    ) -> list[Tensor | Exception]: ...

    @undisturbed()
    def decompress_many(
        self,
        streams: Sequence[Bytes | Stream],
        rendering: str = FAITHFUL,
        *,
        on_error: OnError = "raise",
    ) -> Any:
        """The images of streams of any sizes. `on_error`: see `compress_many`."""
        check_on_error(on_error)
        synthesis = check_rendering(rendering, self.renderings)
        items: list[Any] = check_many(streams, "streams")
        unpacked = [attempt(self._unpack, item) for item in items]
        latents = settle(together(self._decode, settle(unpacked, on_error)), on_error)
        images = [attempt(lambda item: self._synthesis(item, synthesis), one) for one in latents]
        return settle(images, on_error)

    @undisturbed()
    def decode(self, stream: Bytes | Stream) -> Latents:
        """Stream -> the latents that were encoded, on every machine."""
        return single(self._decode([self._unpack(stream)])[0])

    @undisturbed()
    def synthesis(self, latents: Latents, rendering: str = FAITHFUL) -> Tensor:
        """Latents -> image, uint8 (3, H, W) on the codec's device."""
        synthesis = check_rendering(rendering, self.renderings)
        return self._synthesis(check_latents(latents, self._channels), synthesis)

    @undisturbed()
    def ideal_bits(self, latents: Latents) -> float:
        """The ideal code length of latents under the integer tables, in bits."""
        check_latents(latents, self._channels)
        return self.engine.cost(latents.y, latents.z, latents.quality_steps)

    def _compress(
        self, images: Sequence[Tensor | Exception], aim: Aim, chunks: dict[str, bytes]
    ) -> list[bytes | Exception]:
        if aim.target_bpp is not None:
            return [attempt(lambda item: self._reach(item, aim, chunks), image) for image in images]
        latents = [
            attempt(lambda item: self._latents_of(item, aim.quality_steps), image)
            for image in images
        ]
        return together(lambda good: self._encode(good, chunks), latents)

    def _reach(self, image: Tensor, aim: Aim, chunks: dict[str, bytes]) -> bytes:
        """The stream nearest to a target rate. Metadata do not count."""
        assert aim.target_bpp is not None
        features, pixels = self._features(image), image[0].numel()
        search: Search[tuple[Latents, Coded]] = Search(aim.target_bpp * pixels / 8)
        while search.open:
            latents = self._quantize(*features, search.quality_steps)
            ((coded, _),) = self.engine.encode([_item(latents)])
            search.tell(len(self._pack(latents, coded, {})), (latents, coded))
        if not search.reached:
            nearest = f"{8 * search.length / pixels:.4f}"
            message = f"{aim.target_bpp} bpp is out of reach: {nearest} is nearest"
            warnings.warn(message, stacklevel=5)
        assert search.best is not None
        return self._pack(*search.best, chunks)

    def _latents_of(self, image: Tensor, quality_steps: int) -> Latents:
        return self._quantize(*self._features(image), quality_steps)

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
        self, features: Tensor, width: int, height: int, transposed: bool, quality_steps: int
    ) -> Latents:
        latents = self.network.latents(features, self._level(quality_steps))
        y, z = (t[0].clamp(-(2**15), 2**15 - 1).to(torch.int16) for t in latents)
        return Latents(y, z, width, height, quality_steps, transposed)

    def _encode(self, latents: Sequence[Latents], chunks: dict[str, bytes]) -> list[bytes]:
        results = self.engine.encode([_item(each) for each in latents])
        return [
            self._pack(each, coded, chunks)
            for each, (coded, _) in zip(latents, results, strict=True)
        ]

    def _pack(self, latents: Latents, coded: Coded, chunks: dict[str, bytes]) -> bytes:
        header = latents.quality_steps, latents.width, latents.height, latents.transposed
        return container.pack(Stream(self.integers.id, *header, coded, chunks))

    def _unpack(self, stream: Bytes | Stream) -> Stream:
        """All of a stream that can be checked before its latents are decoded."""
        if not isinstance(stream, Stream):
            stream = container.unpack(as_bytes(stream), self.max_pixels)
        if stream.model != self.integers.id:
            ids = f"a stream of model {stream.model.hex()}; this is model {self.integers.id.hex()}"
            raise BitstreamError(ids, Reason.UNKNOWN_MODEL)
        height, width = grid(stream.width, stream.height, stream.transposed)
        if height * width * sum(self._channels) > MAX_LATENTS:
            size = f"{stream.width}x{stream.height}"
            raise BitstreamError(f"an image of {size}: too many latents", Reason.TOO_LARGE)
        return stream

    def _decode(self, streams: Sequence[Stream]) -> list[Latents | Exception]:
        sizes = [grid(stream.width, stream.height, stream.transposed) for stream in streams]
        items = [
            (stream.coded, *size, stream.quality)
            for stream, size in zip(streams, sizes, strict=True)
        ]
        results = self.engine.decode(items)
        return [
            result if isinstance(result, BitstreamError) else _latents(stream, *result)
            for stream, result in zip(streams, results, strict=True)
        ]

    def _synthesis(self, latents: Latents, synthesis: Synthesis) -> Tensor:
        parts = latents.parameters
        if parts is None:
            parts = self.engine.parameters(*_item(latents))
        level = self._level(latents.quality_steps)
        return transforms.synthesis(
            self.network, synthesis, latents, parts, level, self.tile_pixels
        )


def _item(latents: Latents) -> tuple[Tensor, Tensor, int]:
    """What an engine encodes."""
    return latents.y, latents.z, latents.quality_steps


def _latents(stream: Stream, y: Tensor, z: Tensor, parameters: Parameters) -> Latents:
    header = stream.width, stream.height, stream.quality, stream.transposed
    return Latents(y, z, *header, parameters)
