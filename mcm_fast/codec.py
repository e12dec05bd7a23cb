"""The road, both directions:

    image --analysis--> latents --encode--> bytes        compress
    image <-synthesis-- latents <--decode-- bytes        decompress

analysis and synthesis are floating point; encode and decode are integers only. Inside, everything
is a list, whose items may be exceptions (see `many`); the public methods unwrap it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, overload

from torch import Tensor

from . import tiled
from .container import Stream
from .decoder import Decoder
from .encoder import Carried, Encoder
from .inputs import (
    Objective,
    OnDamage,
    check_aim,
    check_metadata,
    check_on_damage,
    check_on_error,
    check_quality,
    check_streams,
    check_tiles,
)
from .latents import Latents, check_latents
from .many import OnError, attempt, settle, single, together
from .pictures import Given, ImageLike, Images, check_batch, check_out, into
from .presets import FAITHFUL
from .state import public
from .stream_decoder import AnyStream


class Codec(Encoder, Decoder):
    """One model on one device. Made by `load`, `Codec.from_file` or `Codec.untrained`.

    Any number of threads may use one at once. docs/embedding.md tells what children made by fork
    may do, and when they hang.
    """

    @public
    def compress(
        self,
        image: ImageLike,
        quality: float | None = None,
        *,
        target_bpp: float | None = None,
        metadata: Mapping[str, bytes] | None = None,
        tiles: int | None = None,
        effort: int = 0,
        objective: Objective = "psnr",
        rendering: str = FAITHFUL,
        importance: Tensor | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> bytes:
        """Compress an image.

        Args:
            image: a tensor (C, H, W), uint8 or float in [0, 1], on any device; an array (H, W) or
                (H, W, C) of such numbers; an image of Pillow; or the path of a picture file. C is 1
                (gray), 2 (gray and alpha), 3 (RGB) or 4 (RGBA). Alpha is stored without loss, in 8
                bits.
            quality: 0 .. 100, in steps of 0.01; 50 if neither it nor target_bpp is given.
            target_bpp: instead of a quality, bits a pixel of the stream without its metadata, found
                by bisection over the quality. Warns (UserWarning) when no quality comes within 2 %.
            metadata: to carry beside the picture, bytes: icc_profile, exif, xmp, cicp. None: what a
                file has, the profile of an image of Pillow, nothing beside tensors and arrays.
            tiles: the side of coding tiles in pixels, a multiple of 64; 0 for none. None: none up
                to 4 megapixels, 1024 above. They can be decoded one by one, and side by side.
            effort: 0 .. 9, the time spent on a search for better latents (docs/effort.md). Never
                worse than 0 by what it optimises; the decoder's work is the same.
            objective: what the search optimises at a rate: "psnr" or "ms-ssim".
            rendering: the one whose pixels count in the search.
            importance: a map (H, W) of numbers that are not negative: squared errors count by it.
                It needs an effort.
            progress: told now and then which share of the search is done.

        Returns: the stream.
        Raises ValueError for anything else, and for an image above `max_pixels`.
        """
        aim = check_aim(quality, target_bpp)
        given = self._given(image, metadata)
        wish = self._wish(effort, rendering, objective, importance, progress)
        return single(self._compress([given], aim, check_tiles(tiles), wish)[0])

    @overload
    def compress_many(
        self,
        images: Images,
        quality: float | None = None,
        *,
        target_bpp: float | None = None,
        metadata: Mapping[str, bytes] | None = None,
        tiles: int | None = None,
        effort: int = 0,
        objective: Objective = "psnr",
        rendering: str = FAITHFUL,
        on_error: Literal["raise"] = "raise",
    ) -> list[bytes]: ...

    @overload
    def compress_many(
        self,
        images: Images,
        quality: float | None = None,
        *,
        target_bpp: float | None = None,
        metadata: Mapping[str, bytes] | None = None,
        tiles: int | None = None,
        effort: int = 0,
        objective: Objective = "psnr",
        rendering: str = FAITHFUL,
        on_error: Literal["return"],
    ) -> list[bytes | Exception]: ...

    @public
    def compress_many(
        self,
        images: Images,
        quality: float | None = None,
        *,
        target_bpp: float | None = None,
        metadata: Mapping[str, bytes] | None = None,
        tiles: int | None = None,
        effort: int = 0,
        objective: Objective = "psnr",
        rendering: str = FAITHFUL,
        on_error: OnError = "raise",
    ) -> Any:
        """Compress images of any sizes: a list of what `compress` takes, a tensor (N, C, H, W) or
        an array (N, H, W, C).

        Each stream equals that of `compress`, whose arguments these are. `on_error`: "raise" the
        first error with its image's index, or "return" each in its image's place.
        """
        check_on_error(on_error)
        aim = check_aim(quality, target_bpp)
        check_metadata(metadata)

        def given(image: Any) -> Given:
            return self._given(image, metadata)

        checked: list[Given | Exception] = [attempt(given, image) for image in check_batch(images)]
        wish = self._wish(effort, rendering, objective, None, None)
        items = settle(checked, on_error)
        return settle(self._compress(items, aim, check_tiles(tiles), wish), on_error)

    @public
    def analysis(
        self, image: ImageLike, quality: float = 50.0, tiles: int | None = None
    ) -> Latents:
        """Image, as `compress` takes it -> its latents at a quality, to be coded in `tiles`. Of its
        alpha only what is fully transparent matters: those colours are smoothed."""
        steps = check_quality(quality)
        return self._carried(self._given(image, {}), steps, check_tiles(tiles)).latents

    @public
    def encode(self, latents: Latents, metadata: Mapping[str, bytes] | None = None) -> bytes:
        """Latents -> the stream. Equal latents give equal bytes on every engine."""
        check_latents(latents, self._channels)
        return self._encode([Carried(latents, chunks=check_metadata(metadata))])[0]

    @public
    def decompress(
        self,
        stream: AnyStream,
        rendering: str = FAITHFUL,
        *,
        box: tuple[int, int, int, int] | None = None,
        scale: int = 1,
        on_damage: OnDamage = "raise",
        exact: bool | None = None,
        out: Tensor | None = None,
    ) -> Tensor:
        """The image of a stream: uint8 (C, H, W) on the codec's device, of as many channels as were
        compressed.

        Args:
            stream: bytes or a vector of them (uint8, of numpy or torch), a path, a binary file, or
                what `container.unpack` made of them.
            rendering: which of the model's syntheses paints the picture.
            box: (left, top, right, bottom), the part of the image to decode. Of a file that can
                seek, no more is read than it needs.
            scale: 1; or 8 or 16 for a preview of ceil(side / scale) pixels a side, the same for all
                renderings, in little more time than decoding takes. `box` still counts in pixels
                of the whole size, and `max_pixels` too.
            on_damage: "raise", or "blank": coding tiles that are damaged or missing become gray,
                with a warning (UserWarning) that names their boxes. The header must be whole.
            exact: True for pixels in integers, the same on every machine; False for floating point.
                None: integers on a CPU where the decoder's file of the model is (see `imread`),
                half precision on a GPU. Integers too are drawn on the device.
            out: a tensor of what comes out, on any device, to be filled and returned.

        Raises BitstreamError for bytes that are not a whole stream of this model, or of an image
        above `max_pixels`; ValueError for a rendering or previews that the model does not have, for
        a box that does not lie within the image, for exact pixels without a decoder's file and for
        an `out` that does not fit.
        """
        check_out(out)
        painter = self._painter(rendering, scale, exact)
        return into(out, self._decompress(stream, painter, box, on_damage))

    @overload
    def decompress_many(
        self,
        streams: Sequence[AnyStream],
        rendering: str = FAITHFUL,
        *,
        scale: int = 1,
        on_damage: OnDamage = "raise",
        exact: bool | None = None,
        on_error: Literal["raise"] = "raise",
    ) -> list[Tensor]: ...

    @overload
    def decompress_many(
        self,
        streams: Sequence[AnyStream],
        rendering: str = FAITHFUL,
        *,
        scale: int = 1,
        on_damage: OnDamage = "raise",
        exact: bool | None = None,
        on_error: Literal["return"],
    ) -> list[Tensor | Exception]: ...

    @public
    def decompress_many(
        self,
        streams: Sequence[AnyStream],
        rendering: str = FAITHFUL,
        *,
        scale: int = 1,
        on_damage: OnDamage = "raise",
        exact: bool | None = None,
        on_error: OnError = "raise",
    ) -> Any:
        """The images of streams of any sizes. `scale`, `on_damage` and `exact`: see `decompress`;
        `on_error`: see `compress_many`."""
        check_on_error(on_error)
        painter, blank = self._painter(rendering, scale, exact), check_on_damage(on_damage)
        items: list[Any] = check_streams(streams)
        opened = [attempt(lambda item: self._open(item, None, blank), item) for item in items]

        def pictures(good: list[Stream]) -> list[Tensor | Exception]:
            pairs = zip(good, self._decode_tiles(good), strict=True)
            return [attempt(lambda pair: self._whole(*pair, painter, blank), p) for p in pairs]

        return settle(together(pictures, settle(opened, on_error)), on_error)

    @public
    def decode(self, stream: AnyStream) -> Latents:
        """Stream -> the latents that were encoded, on every machine."""
        return single(self._decode([self._open(stream)])[0])

    @public
    def synthesis(
        self, latents: Latents, rendering: str = FAITHFUL, *, exact: bool | None = None
    ) -> Tensor:
        """Latents -> image, uint8 (3, H, W), or (1, H, W) if gray, on the codec's device; the
        pixels that `decompress` gives, whose `exact` this is."""
        painter = self._painter(rendering, 1, exact)
        return self._paint(check_latents(latents, self._channels), painter)

    @public
    def ideal_bits(self, latents: Latents) -> float:
        """The ideal code length of latents under the integer tables, in bits."""
        check_latents(latents, self._channels)
        return sum(self.engine.cost(*item) for item in tiled.items(latents))
