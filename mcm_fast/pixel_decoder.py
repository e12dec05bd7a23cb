"""Streams to arrays in integers: exact pixels on every machine. Imports no torch."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from .coding_tiles import BLOCK, Tile
from .exact.arrays import ArrayEngine
from .exact.engine import Parameters, Part
from .exact.identity import MODEL, identity
from .exact.pixels.cpu import CpuRenderer
from .exact.pixels.decoder_file import DecoderFile
from .exact.pixels.layers import PREVIEW
from .exact.pixels.renderers import Renderers
from .exact.pixels.rendering import Rendering
from .gray import luma
from .inputs import OnDamage, check_limit, check_rendering, check_scale, check_threads
from .latents import Painted
from .limits import MAX_PIXELS, SCALES
from .opaque import opaque
from .presets import FAITHFUL
from .stream_decoder import AnyStream, Sight, StreamDecoder
from .tiled import grown

if TYPE_CHECKING:
    from .exact.pixels.cuda import CudaRenderer


class PixelDecoder(StreamDecoder):
    """A decoder's file ready for use: what a program keeps that reads many streams.

        decoder = mcm_fast.PixelDecoder("small.decoder.safetensors", threads=1)
        array = decoder.decompress(stream)

    Any number of threads may share it; a pickle names the file and loads it again.

    Args:
        path: the file that `mcm-fast export --decoder` writes.
        threads: how many to use; by default one for each core that the process may run on, and one
            in a worker of torch's DataLoader.
        max_pixels: larger images are refused before memory is taken for them.

    Attributes:
        renderings: names of the file's renderings, with their ids in hex.

    Raises FileNotFoundError; ValueError for a file that is not a decoder's or breaks a bound, or
    for threads that are not positive; ImportError where the C++ engine has not been built.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        threads: int | None = None,
        *,
        max_pixels: int = MAX_PIXELS,
    ):
        self.threads = check_threads(threads)
        self.max_pixels = check_limit("max_pixels", max_pixels)
        self._file = DecoderFile(path)
        found = self._file.renderings
        previews = {PREVIEW.format(scale): scale for scale in SCALES}
        self.renderings: dict[str, str] = {n: key for n, key in found.items() if n not in previews}
        self.scales = [1, *(scale for name, scale in previews.items() if name in found)]
        integers = self._file.integers()
        slices = sum(name.endswith(".head.weight") for name in integers)
        self._engine = ArrayEngine(integers, slices, self.threads)
        sizes = [integers[f"{name}.weight"].shape for name in ("slice.0.context3", "hyper.0")]
        self._y_and_z = slices * sizes[0][2], sizes[1][1]
        self._features = len(integers["hyper.2.weight"])
        self._id = identity(MODEL, integers)
        self._renderers = Renderers(self._file, partial(CpuRenderer, threads=self.threads))

    @opaque
    def decompress(
        self,
        stream: AnyStream,
        rendering: str = FAITHFUL,
        *,
        box: tuple[int, int, int, int] | None = None,
        scale: int = 1,
        on_damage: OnDamage = "raise",
    ) -> np.ndarray:
        """The image of a stream: uint8 (H, W, C), C as it was compressed. The same on every
        machine, for any number of threads; a box is the crop of the whole, to the last bit.

        The arguments, and what is raised, are those of `Codec.decompress`.
        """
        check_rendering(rendering, self.renderings)
        preview = PREVIEW.format(scale)
        if check_scale(scale, preview in self._file.renderings) > 1:
            rendering = preview
        painter = self._renderers[rendering]
        return self._decompress(stream, painter, box, on_damage).transpose(1, 2, 0)

    def with_limits(self, *, max_pixels: int = MAX_PIXELS) -> PixelDecoder:
        """The same decoder, sharing all its memory, with another limit."""
        other = copy.copy(self)
        other.max_pixels = check_limit("max_pixels", max_pixels)
        return other

    @property
    def id(self) -> str:
        """The model's id in hex: that of the streams it decodes."""
        return self._id.hex()

    def __copy__(self) -> PixelDecoder:
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        return other

    def __reduce__(self) -> tuple[Callable[[], PixelDecoder], tuple[()]]:
        made = partial(type(self), self._file.path, self.threads, max_pixels=self.max_pixels)
        return made, ()

    def __repr__(self) -> str:
        return f"<PixelDecoder: model {self.id}, {', '.join(self.renderings)}>"

    @property
    def _model_id(self) -> bytes:
        return self._id

    @property
    def _channels(self) -> tuple[int, int]:
        return self._y_and_z

    @property
    def _hyper_channels(self) -> int:
        return self._features

    def _decode_items(self, items: Sequence[Any]) -> Sequence[Any]:
        return self._engine.decode(items)

    def _decode_rows(self, items: Sequence[Any], rows: Sequence[int]) -> Sequence[Any]:
        return self._engine.decode_rows(items, rows)

    def _parameters(self, y: np.ndarray, z: np.ndarray, quality: int, part: Part) -> Parameters:
        return self._engine.parameters(y, z, quality, part)

    def _sight(self, painter: CpuRenderer) -> Sight:
        return sight_of(painter)

    def _colours(
        self, painted: Painted, quality: int, gray: bool, painter: CpuRenderer
    ) -> np.ndarray:
        return drawn(painted, quality, gray, painter).transpose(2, 0, 1)

    def _with_alpha(self, image: np.ndarray, plane: np.ndarray) -> np.ndarray:
        pixels = np.concatenate((image.transpose(1, 2, 0), plane[..., None]), 2)
        return pixels.transpose(2, 0, 1)

    def _canvas(self, channels: int, height: int, width: int) -> np.ndarray:
        return np.empty((height, width, channels), np.uint8).transpose(2, 0, 1)

    def _plane(self, array: np.ndarray) -> np.ndarray:
        return array


def sight_of(painter: CpuRenderer | CudaRenderer) -> Sight:
    rendering = painter.rendering
    scale, y_alone = BLOCK // rendering.block, rendering.sees_y_alone
    return Sight(partial(_window, painter, scale), True, scale, y_alone)


def _window(
    painter: CpuRenderer | CudaRenderer, scale: int, box: Tile, width: int, height: int
) -> Tile:
    """What the pixels that a box touches depend on, in whole pairs of latents if it pairs them."""
    left, top, right, bottom = box.divided(scale)
    size = -(-height // BLOCK), -(-width // BLOCK)
    first, start, last, end = (BLOCK * n for n in painter.seen(*size, (top, left, bottom, right)))
    block = painter.rendering.alignment * BLOCK
    return grown(Tile(start, first, end, last), 0, block, width, height)


def drawn(painted: Painted, quality: int, gray: bool, painter: CpuRenderer) -> np.ndarray:
    """Pixels of planes that are arrays: uint8 (H, W, 3), or (H, W, 1) if gray, in the user's
    orientation."""
    y: Any = painted.y
    said: Any = painted.parameters
    if said is None:  # then it does not matter
        none = np.empty((0, *y.shape[1:]), np.int8)
        said = Parameters(np.zeros_like(y), np.zeros(y.shape, np.uint8), none)  # type: ignore[arg-type]
    box, turned = box_of(painted, painter.rendering), painted.transposed
    planes = y, said.mu, said.indexes, said.hyper
    pixels = painter.render(*planes, quality, box=box, transposed=turned)
    if not gray:
        return pixels
    grays: np.ndarray = luma(*np.moveaxis(pixels.astype(np.int32), 2, 0)).astype(np.uint8)
    return grays[..., None]


def box_of(painted: Painted, rendering: Rendering) -> tuple[int, int, int, int]:
    """(top, left, bottom, right) of the box in pixels of a rendering."""
    left, top, right, bottom = painted.box.divided(BLOCK // rendering.block)
    return top, left, bottom, right
