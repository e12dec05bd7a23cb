"""A model on a device: how it is made, copied and pickled. `Codec` adds the road."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from . import model_file, presets
from .exact.engines import make_engine
from .exact.model import IntegerModel
from .exact.quantize import export
from .exact_pixels import ExactPixels
from .inputs import check_limit, check_seed, check_threads
from .limits import MAX_PIXELS, QUALITY_STEPS, TILE_PIXELS
from .network.model import Network
from .network.preview import Preview
from .network.transforms import Synthesis
from .opaque import opaque
from .presets import FAITHFUL
from .state import own_defaults, public
from .tensor_inputs import check_device
from .transforms.graphs import Replays
from .transforms.weights import prepare

Self = TypeVar("Self", bound="LoadedModel")


class LoadedModel:
    """A model's network, integers and renderings, and the engine that codes with them.

    A pickle or a deep copy names the model's file and loads it again.

    Attributes:
        device: where the transforms run and images come back.
        renderings: the syntheses by name; each paints its own picture of the same stream.
        preview: what draws at an eighth and a sixteenth, or None.
        max_pixels: larger images are refused, in both directions, before memory is taken for them.
            Counted in whole blocks of 16 x 16.
        tile_pixels: larger images are transformed in tiles of about that many pixels (see
            `transforms.tiles`).
        threads: those of a call, of torch's and of C++; the caller's own number stays. None: as
            many as torch uses when it is called, and one in a worker of torch's DataLoader. In a
            child made by fork torch has one, whatever was asked for (see `threads`).
    """

    threads: int | None = None

    def __init__(
        self,
        network: Network,
        integers: IntegerModel,
        device: str | torch.device = "cpu",
        engine: str | None = None,
        renderings: dict[str, Synthesis] | None = None,
        preview: Preview | None = None,
        file: str | os.PathLike[str] | None = None,
        *,
        max_pixels: int = MAX_PIXELS,
        tile_pixels: int = TILE_PIXELS,
        threads: int | None = None,
    ):
        self.device = check_device(device)
        self.network = prepare(network.to(self.device).eval().requires_grad_(False))
        self.integers = integers
        others = {name: prepare(net.to(self.device)) for name, net in (renderings or {}).items()}
        self.renderings = {FAITHFUL: self.network.synthesis, **others}
        self.preview = None if preview is None else prepare(preview.to(self.device))
        self._replays = Replays()
        self.engine = make_engine(integers, engine, self.device)
        path = None if file is None else Path(file)
        self._exact = ExactPixels(integers.id, path, self.device)
        self.max_pixels = check_limit("max_pixels", max_pixels)
        self.tile_pixels = check_limit("tile_pixels", tile_pixels)
        self.threads = check_threads(threads)
        self._remake: Callable[..., LoadedModel] = partial(
            type(self), network, integers, self.device, engine, renderings, preview, file
        )

    @classmethod
    @public
    def from_file(
        cls: type[Self],
        path: str | os.PathLike[str],
        device: str | torch.device = "cpu",
        engine: str | None = None,
        *,
        max_pixels: int = MAX_PIXELS,
        tile_pixels: int = TILE_PIXELS,
        threads: int | None = None,
    ) -> Self:
        """The codec of a model file (see `model_file`).

        Raises FileNotFoundError where there is no file, ValueError for a file that is no model.
        """
        network, integers, renderings, preview = model_file.load(path)
        codec = cls(network, integers, device, engine, renderings, preview, path)
        limits = {"max_pixels": max_pixels, "tile_pixels": tile_pixels}
        codec = codec.with_limits(**limits, threads=threads)
        codec._remake = partial(cls.from_file, os.fspath(path), codec.device, engine)
        return codec

    @classmethod
    @public
    def untrained(
        cls: type[Self],
        preset: str,
        seed: int = 0,
        device: str | torch.device = "cpu",
        engine: str | None = None,
        *,
        max_pixels: int = MAX_PIXELS,
        tile_pixels: int = TILE_PIXELS,
        threads: int | None = None,
    ) -> Self:
        """Random weights, for benchmarks and tests: its streams only it can read."""
        with own_defaults():
            torch.manual_seed(check_seed(seed))
            network = Network(presets.config_of(preset)).randomize()
        codec = cls(network, export(network), device, engine)
        limits = {"max_pixels": max_pixels, "tile_pixels": tile_pixels}
        codec = codec.with_limits(**limits, threads=threads)
        codec._remake = partial(cls.untrained, preset, seed, codec.device, engine)
        return codec

    @opaque
    def with_limits(
        self: Self,
        *,
        max_pixels: int = MAX_PIXELS,
        tile_pixels: int = TILE_PIXELS,
        threads: int | None = None,
    ) -> Self:
        """The same codec, sharing all its memory, with other limits and threads."""
        other = copy.copy(self)
        other.max_pixels = check_limit("max_pixels", max_pixels)
        other.tile_pixels = check_limit("tile_pixels", tile_pixels)
        other.threads = check_threads(threads)
        return other

    def __copy__(self: Self) -> Self:
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        return other

    def __reduce__(self) -> tuple[Callable[[], LoadedModel], tuple[()]]:
        limits = {"max_pixels": self.max_pixels, "tile_pixels": self.tile_pixels}
        return partial(self._remake, **limits, threads=self.threads), ()

    def __repr__(self) -> str:
        model = f"model {self.integers.id.hex()}, {self.network.config.name}"
        return f"<Codec: {model}, on {self.device} with {type(self.engine).__name__}>"

    @property
    def _channels(self) -> tuple[int, int]:
        return self.integers.y_channels, self.integers.z_channels

    def _level(self, quality_steps: int) -> Tensor:
        """The gain level of a quality, as the network takes it."""
        level = quality_steps * (self.network.config.levels - 1) / QUALITY_STEPS
        return torch.full((1,), level, dtype=torch.float32, device=self.device)
