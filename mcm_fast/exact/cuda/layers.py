"""A model's integer layers on a device: the kernels of `mcm_fast.kernels`, queued and not awaited.

Images lie one after the other, as `kernels/context.py` says. `on` holds `Batch.arrays` on the
device.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

import torch
from torch import Tensor

from ..model import IntegerModel
from .batch import Batch
from .launch import AFFINE_AT, CONTEXT_ALL, CONTEXT_LAZY, CONTEXT_STEP, HYPER_LAYER
from .packing import PackedModel

Affine = tuple[Tensor, Tensor]  # multiplier int32, bias int64 [images, rows]
Picks = tuple[Tensor, Tensor, Tensor]  # tables int32, bases int16, places int32
Arrays = dict[str, Tensor]


class Layers:
    """Raises ImportError without triton, ValueError for a device that its kernels cannot run on."""

    def __init__(self, model: IntegerModel, device: torch.device):
        self.context, self.step, self.hyper, self.layer = _kernels(device)
        self.packed, self.device = PackedModel(model, device), device

    @property
    def sizes(self):
        return self.packed.context

    def fields(self, positions: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Memory for y (clamped), hyper, mu and indexes, as kernels take them: [positions,
        channels]."""
        y, hyper = self.sizes.y_channels, self.sizes.hyper_channels
        kinds = (y, torch.int8), (hyper, torch.int8), (y, torch.int16), (y, torch.uint8)
        return tuple(self.empty(positions, n, dtype=dtype) for n, dtype in kinds)

    def picks(self, count: int) -> Picks:
        """Memory for tables, bases and places of `count` latents."""
        dtypes = torch.int32, torch.int16, torch.int32
        return tuple(self.empty(count, dtype=dtype) for dtype in dtypes)

    def empty(self, *shape: int, dtype: torch.dtype = torch.int32) -> Tensor:
        return torch.empty(shape, dtype=dtype, device=self.device)

    def affine(self, images: int) -> Affine:
        """Memory for what `affine_at` writes."""
        shape = images, self.sizes.rows
        return self.empty(*shape), self.empty(*shape, dtype=torch.int64)

    def affine_at(self, quality: Tensor, affine: Affine) -> None:
        """Twin: `model.py:IntegerModel.affine_at`."""
        rows, packed = self.sizes.rows, self.packed
        grid = -(-rows // AFFINE_AT["BLOCK"]), len(quality)
        arrays = packed.multiplier, packed.bias, quality, *affine
        self.layer.affine_at[grid](*arrays, LEVELS=packed.levels, ROWS=rows, **AFFINE_AT)

    def between(self, z_positions: int) -> list[Tensor]:
        """Memory for what the hyper-synthesis' layers say, but for the last."""
        counts = (sizes.scale**2 * sizes.outputs for sizes in self.packed.hyper[:-1])
        return [self.empty(z_positions * count, dtype=torch.int8) for count in counts]

    def hyper_synthesis(
        self,
        z: Tensor,
        largest: tuple[int, int],
        on: Arrays,
        affine: Affine,
        features: Sequence[Tensor],
    ) -> None:
        """z, planar, image after image -> the last of `features`, hyper; the others are memory
        (`between`). Twin: `reference.py:hyper_synthesis`.

        largest: at least as many positions of z and of y as the largest image has.
        """
        x, where = z, (on["height"], on["width"], on["z_begin"])
        layers = zip(self.packed.hyper, self.packed.hyper_weights, features, strict=True)
        for sizes, weight, out in layers:
            count, begin = largest[1], on["begin"]
            if sizes.upsamples:
                count, begin = largest[0] * sizes.scale**2, on["z_begin"]
            grid = -(-count // HYPER_LAYER["TILE"]), len(weight), len(on["height"])
            arrays = x, out, *where, begin, weight, *affine
            self.hyper.hyper_layer[grid](*arrays, sizes=sizes, **HYPER_LAYER)
            x = out

    def sums(self, count: int) -> Tensor:
        """Memory for the lazy sums of a step of `count` latents."""
        return self.empty(count // self.sizes.y_channels * self.sizes.slices, self.sizes.sums)

    def context_lazy(
        self, arrays: tuple[Tensor, ...], sums: Tensor, on: Arrays, coming: Tensor
    ) -> None:
        """Lazy sums of step `coming` of each image, of latents that are there a step before it."""
        capacity = len(sums) // self.sizes.slices // len(coming) * self.sizes.y_channels
        grid = capacity // self.step_capacity(1), 5 * self.sizes.slices, len(coming)
        where = on["height"], on["width"], on["begin"], coming
        arrays = *arrays[:2], sums, *where, self.packed.lazy_weight, capacity
        self.step.context_lazy[grid](*arrays, sizes=self.sizes, **CONTEXT_LAZY)

    def context_step(
        self,
        arrays: tuple[Tensor, ...],
        picks: Picks,
        sums: Tensor,
        on: Arrays,
        t: Tensor,
        coming: Tensor,
        affine: Affine,
    ) -> None:
        """Step t of each image's wavefront, whose lazy sums are there; `coming` becomes t + 1.
        Picks and sums have the same room for each image."""
        capacity = len(picks[0]) // len(t)
        grid = capacity // self.step_capacity(1), self.sizes.slices, len(t)
        where = on["height"], on["width"], on["begin"], t, coming
        arrays = *arrays, *picks, sums, *where, *self._model(affine, lazy=True), capacity
        self.step.context_step[grid](*arrays, sizes=self.sizes, **CONTEXT_STEP)

    def step_capacity(self, tiles: int) -> int:
        """Latents of a step of which each slice has so many tiles of positions."""
        return tiles * CONTEXT_STEP["TILE"] * self.sizes.y_channels

    def context_all(
        self, arrays: tuple[Tensor, ...], picks: Picks, batch: Batch, on: Arrays, affine: Affine
    ) -> None:
        """Every position of each image. Twin: `reference.py:context_parameters`."""
        grid = -(-batch.largest // CONTEXT_ALL["TILE"]), self.sizes.slices, len(on["height"])
        where = on["height"], on["width"], on["begin"]
        arrays = *arrays, *picks, *where, *self._model(affine)
        self.context.context_all[grid](*arrays, sizes=self.sizes, **CONTEXT_ALL)

    def _model(self, affine: Affine, lazy: bool = False) -> tuple[Tensor, ...]:
        packed = self.packed
        weight = packed.lazy_weight if lazy else packed.weight
        return weight, *affine, packed.numbers, packed.values


def _kernels(device: torch.device) -> tuple[ModuleType, ...]:
    """The modules context, step, hyper and layer. Compiled for a GPU; for the CPU, where they only
    prove themselves, interpreted."""
    try:
        import triton

        from ...kernels import context, hyper, layer, step
    except ImportError as error:
        message = f"the Triton kernels cannot be loaded ({error}); `pip install triton`"
        raise ImportError(message) from error
    interpreted = not isinstance(step.context_step, triton.JITFunction)
    if device.type not in ("cpu", "cuda") or interpreted != (device.type == "cpu"):
        state = "set" if interpreted else "not set"
        raise ValueError(
            f"engine 'cuda' runs on a CUDA device, or with TRITON_INTERPRET=1 on the CPU; this is "
            f"{device}, and TRITON_INTERPRET was {state} when the kernels were imported"
        )
    return context, step, hyper, layer
