"""Latents drawn from an untrained model's own tables, at a chosen rate.

The model is the untrained one but for one number, added to every index that its heads give out: it
narrows all distributions until a draw costs the rate asked for. Nothing is 'certain', so that every
latent goes through the coder.

A draw is the decoder's work: each latent depends on those before it. With one uniform number for
each latent, kept, a pass over all of them at once gets right what depends on nothing but what was
right before: one more step of the wavefront each time, and in practice all of it much sooner.
"""

from __future__ import annotations

import functools
import itertools

import numpy as np
import torch
from torch import Tensor

from mcm_fast import Codec
from mcm_fast.exact.cpu import CpuEngine
from mcm_fast.exact.engine import Parameters
from mcm_fast.exact.model import SHIFT, IntegerModel
from mcm_fast.exact.rans import SYMBOL_BITS

QUALITY = 5000
_TRIAL = 12, 12  # of latents: enough to find out what a draw costs


@functools.cache
def drawn(
    preset: str, width: int, height: int, passes: int | None = None
) -> tuple[IntegerModel, Tensor, Tensor]:
    """`draw` for a picture of so many pixels by the untrained preset, at a photograph's rate."""
    integers = Codec.untrained(preset).integers
    return draw(integers, height // 16, width // 16, bpp=0.5, passes=passes)


def draw(
    model: IntegerModel,
    height: int,
    width: int,
    bpp: float,
    seed: int = 0,
    passes: int | None = None,
) -> tuple[IntegerModel, Tensor, Tensor]:
    """The model, y int16 [M, height, width] and z; `bpp` bits for each of 256 pixels a position.

    With `passes` a large picture is done after so many, not when all is right: its rate is then
    higher, up to three times.

    Raises ValueError where the rate is out of reach.
    """
    low, high = -48.0, 16.0
    while high - low > 0.02:
        middle = (low + high) / 2
        shifted = shift_indexes(model, middle)
        cost = _rate(shifted, *_sample(shifted, *_TRIAL, seed))
        low, high = (middle, high) if cost < bpp else (low, middle)
    shifted = shift_indexes(model, low)
    y, z = _sample(shifted, height, width, seed, passes)
    if passes is not None:
        return shifted, y, z
    cost = _rate(shifted, y, z)
    if abs(cost - bpp) > 0.1 * bpp:
        raise ValueError(f"{cost:.3f} bits a pixel is as near as this model gets to {bpp}")
    return shifted, y, z


def _rate(model: IntegerModel, y: Tensor, z: Tensor) -> float:
    """Bits a pixel, without a container."""
    return CpuEngine(model).cost(y, z, QUALITY) / (256 * y[0].numel())


def shift_indexes(model: IntegerModel, by: float) -> IntegerModel:
    """`by` added to every index before it is clamped."""
    bias, row = model.tensors["bias"].clone(), 0
    for name in model.layers:
        outputs = len(model.tensors[f"{name}.weight"])
        if name.endswith(".head"):
            bias[:, row + outputs // 2 : row + outputs] += round(by * (1 << SHIFT))
        row += outputs
    return IntegerModel(model.tensors | {"bias": bias}, model.slices)


def _sample(
    model: IntegerModel, height: int, width: int, seed: int, passes: int | None = None
) -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(seed)
    engine, tables = CpuEngine(model), _Tables(model)
    z = tables.draw_z(model.z_channels, -(-height // 4), -(-width // 4), rng)
    slots = rng.integers(0, 1 << SYMBOL_BITS, (model.y_channels, height, width))
    y = torch.zeros(slots.shape, dtype=torch.int16)
    for number in itertools.count(1):
        parameters = engine.parameters(y, z, QUALITY)
        drawn = tables.draw_y(parameters, slots)
        if torch.equal(drawn, y) or number == passes:
            return drawn, z
        y = drawn


class _Tables:
    """The tables as one rising array, in which all latents are looked up at once."""

    def __init__(self, model: IntegerModel):
        arrays = {name: model.tensors[f"tables.{name}"].numpy().astype(np.int64) for name in _NAMES}
        self.start, self.minimum = arrays["start"], arrays["minimum"]
        self.sizes = np.diff(self.start)
        number = np.repeat(np.arange(len(self.sizes)), self.sizes)
        self.rising = (number << SYMBOL_BITS) + arrays["cdf"]
        self.model = model

    def _values(self, table: np.ndarray, slots: np.ndarray) -> np.ndarray:
        """The value of each slot less its base; an escape is drawn as the last value before it."""
        entry = np.searchsorted(self.rising, (table << SYMBOL_BITS) + slots, side="right") - 1
        entry = np.minimum(entry - self.start[table], self.sizes[table] - 2)
        return self.minimum[table] + entry

    def draw_z(self, channels: int, height: int, width: int, rng: np.random.Generator) -> Tensor:
        slots = rng.integers(0, 1 << SYMBOL_BITS, (channels, height, width))
        first = self.model.z_table(QUALITY)
        table = np.broadcast_to(first + np.arange(channels)[:, None, None], slots.shape)
        return torch.from_numpy(self._values(table, slots).astype(np.int16))

    def draw_y(self, parameters: Parameters, slots: np.ndarray) -> Tensor:
        table, base = self.model.table_of(parameters.mu, parameters.indexes)
        value = base.numpy() + self._values(table.numpy(), slots)
        return torch.from_numpy(value.astype(np.int16))


_NAMES = ("cdf", "start", "minimum")
