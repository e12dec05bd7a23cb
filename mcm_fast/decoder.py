"""From streams to images as tensors: what `Codec.decompress` and its like are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import tiled
from .channels import gray_of
from .coding_tiles import Tile
from .container import Stream
from .errors import caught
from .exact.engine import CodedItem, Parameters
from .latents import Latents, Painted
from .loaded import LoadedModel
from .network.transforms import Synthesis
from .stream_decoder import Sight, StreamDecoder, TilesOf, good_tiles
from .transforms import run as transforms
from .transforms.tiles import synthesis_reach


class Decoder(LoadedModel, StreamDecoder):
    """The half of a `Codec` that decodes."""

    @property
    def _model_id(self) -> bytes:
        return self.integers.id

    @property
    def _hyper_channels(self) -> int:
        return self.integers.hyper_channels

    def _decode_items(self, items: Sequence[CodedItem]) -> Sequence[Any]:
        return self.engine.decode(items)

    def _parameters(self, y: Tensor, z: Tensor, quality: int) -> Parameters:
        return self.engine.parameters(y, z, quality)

    def _sight(self, painter: Synthesis) -> Sight:
        pair = 2  # attention pairs neighbours
        reach = -(-synthesis_reach(self.network.config) // pair) * pair
        return Sight(reach, pair, everywhere=False)

    def _colours(self, painted: Painted, quality: int, gray: bool, painter: Synthesis) -> Tensor:
        level = self._level(quality)
        image = transforms.synthesis(self.network, painter, painted, level, self.tile_pixels)
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
        return Latents(y, z, *header, parameters, stream.gray, stream.sides)

    def _paint(self, latents: Latents, painter: Synthesis) -> Tensor:
        parameters = tiled.parameters(self.engine, latents)
        whole = Tile(0, 0, *latents.coded_size)
        painted = Painted(latents.y, parameters, whole, latents.transposed)
        return self._colours(painted, latents.quality_steps, latents.gray, painter)

    def _whole(self, stream: Stream, decoded: TilesOf, painter: Synthesis, blank: bool) -> Tensor:
        box = Tile(0, 0, stream.width, stream.height)
        return self._picture(stream, decoded, box, painter, blank)
