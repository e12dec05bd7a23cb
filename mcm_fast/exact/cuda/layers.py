"""A model's integer layers on a device: the kernels of `mcm_fast.kernels`, queued and not awaited.

Images lie one after the other, as `kernels/context.py` says. `on` holds what `Batch.arrays` says of
them, on the device.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..model import IntegerModel
from .batch import Batch
from .launch import AFFINE_AT, CONTEXT_ALL, CONTEXT_STEP, HYPER_LAYER

Affine = tuple[Tensor, Tensor]  # multiplier int32, bias int64 [images, rows]
Picks = tuple[Tensor, Tensor, Tensor]  # tables int32, bases int16, places int32
Arrays = dict[str, Tensor]


class Layers:
    """Raises ImportError without triton, ValueError for a device that its kernels cannot run on."""

    def __init__(self, model: IntegerModel, device: torch.device):
        self.kernels = _kernels(device)
        self.packed, self.device = self.kernels.PackedModel(model, device), device

    @property
    def sizes(self):
        return self.packed.context

    def fields(self, positions: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Memory for y, hyper, mu and indexes, as kernels take them: [positions, channels]."""
        latent, features = self.sizes.latent, self.sizes.features
        kinds = [(latent, torch.int16), (features, torch.int8)]
        kinds += [(latent, torch.int16), (latent, torch.uint8)]
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
        self.kernels.affine_at[grid](*arrays, LEVELS=packed.levels, ROWS=rows, **AFFINE_AT)

    def hyper_synthesis(
        self, z: Tensor, batch: Batch, on: Arrays, affine: Affine, hyper: Tensor
    ) -> None:
        """z, planar, image after image -> hyper. Twin: `reference.py:hyper_synthesis`."""
        x, where = z, (on["height"], on["width"], on["z_begin"])
        for sizes, weight in zip(self.packed.hyper, self.packed.hyper_weights, strict=True):
            scale = sizes.scale**2
            if sizes.upsamples:
                out = self.empty(batch.z_positions * scale * sizes.outputs, dtype=torch.int8)
                largest, begin = batch.z_largest * scale, on["z_begin"]
            else:
                out, largest, begin = hyper, batch.largest, on["begin"]
            grid = -(-largest // HYPER_LAYER["TILE"]), len(weight), len(on["height"])
            arrays = x, out, *where, begin, weight, *affine
            self.kernels.hyper_layer[grid](*arrays, sizes=sizes, **HYPER_LAYER)
            x = out

    def context_step(
        self, arrays: tuple[Tensor, ...], picks: Picks, on: Arrays, t: Tensor, affine: Affine
    ) -> None:
        """Step t of each image's wavefront; picks have the same room for each image."""
        capacity = len(picks[0]) // len(t)
        grid = capacity // self.step_capacity(1), self.sizes.slices, len(t)
        where = on["height"], on["width"], on["begin"], t
        arrays = *arrays, *picks, *where, *self._model(affine), capacity
        self.kernels.context_step[grid](*arrays, sizes=self.sizes, **CONTEXT_STEP)

    def step_capacity(self, tiles: int) -> int:
        """Latents of a step of which each slice has so many tiles of positions."""
        return tiles * CONTEXT_STEP["TILE"] * self.sizes.latent

    def context_all(
        self, arrays: tuple[Tensor, ...], picks: Picks, batch: Batch, on: Arrays, affine: Affine
    ) -> None:
        """Every position of each image. Twin: `reference.py:context_parameters`."""
        grid = -(-batch.largest // CONTEXT_ALL["TILE"]), self.sizes.slices, len(on["height"])
        where = on["height"], on["width"], on["begin"]
        arrays = *arrays, *picks, *where, *self._model(affine)
        self.kernels.context_all[grid](*arrays, sizes=self.sizes, **CONTEXT_ALL)

    def _model(self, affine: Affine) -> tuple[Tensor, ...]:
        packed = self.packed
        return packed.weight, *affine, packed.shift, packed.numbers, packed.values


class _Kernels:
    """What the engine uses of `mcm_fast.kernels`, which imports triton."""

    def __init__(self):
        from ...kernels.context import context_all, context_step
        from ...kernels.hyper import hyper_layer
        from ...kernels.layer import affine_at
        from .packing import PackedModel

        self.context_all, self.context_step = context_all, context_step
        self.hyper_layer, self.affine_at, self.PackedModel = hyper_layer, affine_at, PackedModel


def _kernels(device: torch.device) -> _Kernels:
    """Compiled for a GPU; for the CPU, where they only prove themselves, interpreted."""
    try:
        import triton

        kernels = _Kernels()
    except ImportError as error:
        message = f"the Triton kernels cannot be loaded ({error}); `pip install triton`"
        raise ImportError(message) from error
    interpreted = not isinstance(kernels.context_step, triton.JITFunction)
    if device.type not in ("cpu", "cuda") or interpreted != (device.type == "cpu"):
        state = "set" if interpreted else "not set"
        raise ValueError(
            f"engine 'cuda' runs on a CUDA device, or with TRITON_INTERPRET=1 on the CPU; this is "
            f"{device}, and TRITON_INTERPRET was {state} when the kernels were imported"
        )
    return kernels
