"""From streams to images as tensors: what `Codec.decompress` and its like are made of."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor

from . import tiled
from .channels import gray_of
from .coding_tiles import BLOCK, Tile
from .container import Stream
from .errors import caught
from .exact.engine import CodedItem, Parameters, Part
from .exact.pixels.cpu import CpuRenderer
from .exact.pixels.cuda import CudaRenderer
from .exact.pixels.layers import PREVIEW
from .inputs import check_exact, check_rendering, check_scale
from .latents import Latents, Painted
from .loaded import LoadedModel
from .network.preview import REACH, Preview
from .network.transforms import Synthesis
from .pixel_decoder import box_of, drawn, sight_of
from .stream_decoder import Sight, StreamDecoder, TilesOf, good_tiles
from .transforms import run as transforms
from .transforms.tiles import synthesis_reach


class Shrinker(NamedTuple):
    """What paints previews at 1/scale."""

    head: Preview
    scale: int


Painter = Synthesis | Shrinker | CpuRenderer | CudaRenderer


class Decoder(LoadedModel, StreamDecoder):
    """The half of a `Codec` that decodes."""

    @property
    def _model_id(self) -> bytes:
        return self.integers.id

    @property
    def _hyper_channels(self) -> int:
        return self.integers.hyper_channels

    def _painter(self, rendering: str, scale: int, exact: bool | None) -> Painter:
        """What paints: integers if they are asked for, or on a CPU where they are there."""
        synthesis, renderer = check_rendering(rendering, self.renderings), None
        scale = check_scale(scale, previews=True)  # before it is used; then whether there are any
        if check_exact(exact) or (exact is None and self.device.type == "cpu"):
            renderer = self._exact.renderer(rendering if scale == 1 else PREVIEW.format(scale))
        check_scale(scale, self.preview is not None or renderer is not None)
        if renderer is None and exact:
            model = f"model {self.integers.id.hex()} with a rendering {rendering!r}"
            made = "mcm-fast export --decoder makes it"
            raise ValueError(f"exact=True needs the decoder's file of {model}: {made}")
        if renderer is not None or scale == 1 or self.preview is None:
            return renderer or synthesis
        return Shrinker(self.preview, scale)

    def _decode_items(self, items: Sequence[CodedItem]) -> Sequence[Any]:
        return self.engine.decode(items)

    def _decode_rows(self, items: Sequence[CodedItem], rows: Sequence[int]) -> Sequence[Any]:
        return self.engine.decode_rows(items, rows)

    def _parameters(self, y: Tensor, z: Tensor, quality: int, part: Part) -> Parameters:
        return self.engine.parameters(y, z, quality, part)

    def _sight(self, painter: Painter) -> Sight:
        if isinstance(painter, CpuRenderer | CudaRenderer):
            return sight_of(painter)
        if isinstance(painter, Shrinker):
            window = partial(_around, REACH, 1)
            return Sight(window, everywhere=True, scale=painter.scale, y_alone=True)
        window = partial(_around, synthesis_reach(self.network.config), 2)  # attention pairs them
        return Sight(window, everywhere=False)

    def _colours(self, painted: Painted, quality: int, gray: bool, painter: Painter) -> Tensor:
        if isinstance(painter, CpuRenderer):
            pixels = torch.from_numpy(drawn(_arrays(painted), quality, gray, painter))
            return pixels.permute(2, 0, 1).contiguous().to(self.device)
        if isinstance(painter, CudaRenderer):
            image = _drawn_there(painted, quality, painter)
            return gray_of(image) if gray else image
        level, area = self._level(quality), self.tile_pixels
        if isinstance(painter, Shrinker):
            image = transforms.preview(self.network, *painter, painted, level, area)
        else:
            parts = painted, level, area, self._replays
            image = transforms.synthesis(self.network, painter, *parts)
        return gray_of(image) if gray else image

    def _with_alpha(self, image: Tensor, plane: np.ndarray) -> Tensor:
        return torch.cat((image, torch.from_numpy(plane)[None].to(self.device)))

    def _canvas(self, channels: int, height: int, width: int) -> Tensor:
        return torch.empty(channels, height, width, dtype=torch.uint8, device=self.device)

    def _plane(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(array)

    def _decode(self, streams: Sequence[Stream]) -> list[Latents | Exception]:
        """The latents of whole streams."""
        return [
            caught(self._latents, stream, decoded)
            for stream, decoded in zip(streams, self._decode_tiles(streams), strict=True)
        ]

    def _latents(self, stream: Stream, decoded: TilesOf) -> Latents:
        whole = Tile(0, 0, *stream.coded_size)
        good = good_tiles(decoded)
        y, z = tiled.join(good, stream.places, whole)
        parameters = good[0][2] if stream.sides is None else None
        header = stream.width, stream.height, stream.quality, stream.transposed
        return Latents(y, z, *header, stream.gray, stream.sides).knowing(parameters)

    def _paint(self, latents: Latents, painter: Painter) -> Tensor:
        parameters = tiled.parameters(self.engine, latents)
        whole = Tile(0, 0, *latents.coded_size)
        painted = Painted(latents.y, parameters, whole, latents.transposed)
        return self._colours(painted, latents.quality_steps, latents.gray, painter)

    def _whole(self, stream: Stream, decoded: TilesOf, painter: Painter, blank: bool) -> Tensor:
        box = Tile(0, 0, stream.width, stream.height)
        return self._picture(stream, decoded, box, painter, blank)


def _arrays(painted: Painted) -> Painted:
    """With arrays for planes, which share the memory of tensors on the CPU."""
    said, y = painted.parameters, cast(Any, painted.y.cpu().numpy())
    if said is None:
        return painted._replace(y=y)
    planes: Any = [plane.cpu().numpy() for plane in (said.mu, said.indexes, said.hyper)]
    return painted._replace(y=y, parameters=Parameters(*planes))


def _drawn_there(painted: Painted, quality: int, painter: CudaRenderer) -> Tensor:
    """Pixels of planes that are tensors, on the painter's device: uint8 (3, H, W), in the user's
    orientation."""
    y, said = painted.y, painted.parameters
    if said is None:  # then it does not matter
        said = Parameters(y, torch.zeros_like(y, dtype=torch.uint8), y[:0].to(torch.int8))
    box, turned = box_of(painted, painter.rendering), painted.transposed
    planes = y, said.mu, said.indexes, said.hyper
    return painter.render(*planes, quality, box=box, transposed=turned)


def _around(reach: int, align: int, box: Tile, width: int, height: int) -> Tile:
    """The latents of a box and `reach` more on each side, in whole groups of `align`."""
    block = align * BLOCK
    aligned = tiled.grown(box, 0, block, width, height)
    return tiled.grown(aligned, reach * BLOCK, block, width, height)
