"""The reference engine: the oracle, in plain torch, one position at a time in visit order.

Slow and obvious. Products and sums in float64, which holds these integers exactly (the model's
bound keeps every sum below 2^31, and torch's int8 arithmetic wraps); the rest in int64. FORMAT.md
has the formulas; `csrc/` and `kernels/` hold the twins under the same names (CONTRIBUTING.md,
"Twins").
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import BitstreamError, caught
from .engine import (
    EXCEPTION_BITS,
    Coded,
    CodedItem,
    Decoded,
    Encoded,
    LatentsItem,
    Parameters,
    Part,
    latents_of,
    part_of,
)
from .model import CONTEXTS, LIMIT, SHIFT, IntegerModel
from .rans import RAW_BITS, SYMBOL_BITS, Reader, Writer
from .wavefront import wavefront

Layer = tuple[Tensor, Tensor, Tensor]  # weight float64 [O, inputs], multiplier, bias int64 [O]
Layers = dict[str, Layer]


def requantize(acc: Tensor, multiplier: Tensor, bias: Tensor) -> Tensor:
    """floor((acc * multiplier + bias) / 2^24), channels first."""
    shape = (-1,) + (1,) * (acc.dim() - 1)
    return (acc * multiplier.view(shape) + bias.view(shape)) >> SHIFT


def activate(v: Tensor) -> Tensor:
    """The piecewise-linear activation: slope 1, 1/4 below zero, clamped."""
    return torch.maximum(v, (v + 2) >> 2).clamp(-LIMIT, LIMIT)


def dense(layer: Layer, inputs: Tensor) -> Tensor:
    """v (int64 [O, ...]) of a layer for its inputs at one position [inputs], or at many
    [inputs, positions]."""
    weight, multiplier, bias = layer
    return requantize((weight @ inputs.double()).long(), multiplier, bias)


def hyper_synthesis(layers: Layers, z: Tensor, height: int, width: int) -> Tensor:
    """z [Nz, hz, wz] -> features int64 [F, height, width]."""
    x = z.long().clamp(-LIMIT, LIMIT)
    for name in ("hyper.0", "hyper.1", "hyper.2"):
        v = dense(layers[name], _patches3x3(x))
        x = activate(v).view(-1, *x.shape[1:])
        if name != "hyper.2":
            x = F.pixel_shuffle(x, 2)
    return x[:, :height, :width]


def _patches3x3(x: Tensor) -> Tensor:
    """[channels, h, w] -> its 3x3 neighbourhoods, edges replicated: float64 [9 channels, h w]."""
    height, width = x.shape[1:]
    rows = torch.arange(-1, height + 1).clamp(0, height - 1)
    columns = torch.arange(-1, width + 1).clamp(0, width - 1)
    return F.unfold(x[None, :, rows][:, :, :, columns].double(), 3)[0]


class _Planes:
    """y clamped to int8's range, with a border of zeros as wide as the widest kernel's reach."""

    def __init__(self, channels: int, height: int, width: int):
        self.y = torch.zeros(channels, height + 6, width + 6, dtype=torch.int64)

    def set(self, channels: slice, row: int, column: int, values: Tensor) -> None:
        self.y[channels, row + 3, column + 3] = values.clamp(-LIMIT, LIMIT)

    def window(self, channels: slice, row: int, column: int, radius: int) -> Tensor:
        """[taps of the full (2 radius + 1)^2 window in raster order, channels]."""
        rows = slice(row + 3 - radius, row + 4 + radius)
        columns = slice(column + 3 - radius, column + 4 + radius)
        return self.y[channels, rows, columns].flatten(1).T


def context_parameters(
    layers: Layers, planes: _Planes, hyper: Tensor, k: int, row: int, column: int
) -> Tensor:
    """The head's outputs (int64 [2 C]: mu, then index, unclamped) of slice k at a position."""
    channels = layers[f"slice.{k}.head"][0].shape[0] // 2
    own, before = slice(k * channels, (k + 1) * channels), slice(0, k * channels)
    inputs = {}
    for part, radius, count in zip(CONTEXTS, (1, 2, 3), (4, 12, 24), strict=True):
        inputs[part] = planes.window(own, row, column, radius)[:count]
    if k:
        inputs["previous"] = planes.window(before, row, column, 1)
    features = [hyper[:, row, column]]
    for part, values in inputs.items():
        features.append(activate(dense(layers[f"slice.{k}.{part}"], values.flatten())))
    hidden = activate(dense(layers[f"slice.{k}.hidden"], torch.cat(features)))
    return dense(layers[f"slice.{k}.head"], hidden)


class Tables:
    """The CDF tables as Python lists."""

    def __init__(self, model: IntegerModel):
        cdf, start = (model.tensors[f"tables.{name}"].tolist() for name in ("cdf", "start"))
        pairs = zip(start, start[1:], strict=False)
        self.cdf = [cdf[a:b] + [1 << SYMBOL_BITS] for a, b in pairs]
        self.minimum = model.tensors["tables.minimum"].tolist()

    def certain(self, table: int) -> bool:
        return len(self.cdf[table]) == 3


def wrap(value: int) -> int:
    """Modulo 2^16 into int16."""
    return (value + 2**15) % 2**16 - 2**15


class _LatentWriter:
    """Knows the latents; sends them to the coder or, where certain, to the exceptions."""

    def __init__(self, tables: Tables, latents: list[int]):
        self.tables, self.latents = tables, latents
        self.coder, self.bits = Writer(), 0.0
        self.exceptions: list[tuple[int, int]] = []

    def latent(self, position: int, table: int, base: int) -> int:
        value, cdf = self.latents[position], self.tables.cdf[table]
        minimum = base + self.tables.minimum[table]
        if self.tables.certain(table):
            difference = wrap(value - minimum)
            if difference:
                self.exceptions.append((position, difference))
                self.bits += EXCEPTION_BITS
            return value
        inside = minimum <= value <= minimum + len(cdf) - 3
        entry = value - minimum if inside else len(cdf) - 2
        frequency = cdf[entry + 1] - cdf[entry]
        self.coder.put(cdf[entry], frequency)
        self.bits += SYMBOL_BITS - math.log2(frequency)
        if not inside:
            self.coder.put_raw(value)
            self.bits += RAW_BITS
        return value

    def finish(self) -> Coded:
        lanes, groups, segments = self.coder.finish()
        exceptions = np.array(sorted(self.exceptions), np.int64).reshape(-1, 2)
        return Coded(lanes, groups, exceptions[:, 0], exceptions[:, 1].astype(np.int16), segments)


class _LatentReader:
    """The mirror of `_LatentWriter`."""

    def __init__(self, tables: Tables, coded: Coded, size: int):
        self.tables = tables
        self.coder = Reader(coded.segments, coded.lanes, coded.groups)
        indexes = coded.exception_indexes.tolist()
        differences = coded.exception_differences.tolist()
        self.exceptions = dict(zip(indexes, differences, strict=True))
        rising = all(a < b for a, b in zip([-1, *indexes], [*indexes, size], strict=True))
        if not rising or 0 in differences:
            raise BitstreamError("the exceptions are not in order")

    def latent(self, position: int, table: int, base: int) -> int:
        cdf = self.tables.cdf[table]
        minimum = base + self.tables.minimum[table]
        if self.tables.certain(table):
            return wrap(minimum + self.exceptions.pop(position, 0))
        entry = self.coder.get(cdf)
        return wrap(minimum + entry) if entry < len(cdf) - 2 else self.coder.get_raw()

    def finish(self) -> None:
        if self.exceptions:
            raise BitstreamError("an exception names a latent that is not certain")
        self.coder.finish()


class ReferenceEngine:
    """See `engine.Engine`."""

    def __init__(self, model: IntegerModel):
        self.model, self.tables = model, Tables(model)
        weights = {name: model.tensors[f"{name}.weight"] for name in model.layers}
        self.weights = {name: w.flatten(1).double() for name, w in weights.items()}

    def parameters(
        self, y: Tensor, z: Tensor, quality: int, part: Part | None = None
    ) -> Parameters:
        return part_of(self._write(y, z, quality)[1], part)

    def encode(self, items: Sequence[LatentsItem]) -> list[Encoded]:
        return [self._encode(*item) for item in items]

    def decode(self, items: Sequence[CodedItem]) -> list[Decoded | BitstreamError]:
        return [caught(self._decode, *item) for item in items]

    def decode_rows(
        self, items: Sequence[CodedItem], rows: Sequence[int]
    ) -> list[tuple[Tensor, Tensor] | BitstreamError]:
        return latents_of(self.decode(items))

    def cost(self, y: Tensor, z: Tensor, quality: int) -> float:
        return self._write(y, z, quality)[0].bits

    def _encode(self, y: Tensor, z: Tensor, quality: int) -> Encoded:
        writer, parameters = self._write(y, z, quality)
        return writer.finish(), parameters

    def _decode(self, coded: Coded, height: int, width: int, quality: int) -> Decoded:
        z_size = self.model.z_channels * -(-height // 4) * -(-width // 4)
        reader = _LatentReader(self.tables, coded, z_size + self.model.y_channels * height * width)
        y, z, parameters = self._visit(reader, height, width, quality)
        reader.finish()
        return y, z, parameters

    def _write(self, y: Tensor, z: Tensor, quality: int) -> tuple[_LatentWriter, Parameters]:
        writer = _LatentWriter(self.tables, z.flatten().tolist() + y.flatten().tolist())
        return writer, self._visit(writer, *y.shape[1:], quality)[2]

    def _visit(
        self, source: _LatentWriter | _LatentReader, height: int, width: int, quality: int
    ) -> tuple[Tensor, Tensor, Parameters]:
        """Every latent in order: its parameters from those before it, its value from `source`."""
        model, affine = self.model, self.model.affine_at(quality)
        layers = {name: (weight, *affine[name]) for name, weight in self.weights.items()}
        z = self._visit_z(source, -(-height // 4), -(-width // 4), quality)
        hyper = hyper_synthesis(layers, z, height, width)
        planes, channels = _Planes(model.y_channels, height, width), model.slice_channels
        y, mu, indexes = (torch.zeros(model.y_channels, height, width).long() for _ in range(3))
        for step in wavefront(height, width, model.slices):
            for k, row, column in step:
                here = slice(k * channels, (k + 1) * channels), row, column
                head = context_parameters(layers, planes, hyper, k, row, column)
                mu[here] = head[:channels].clamp(-(2**15), 2**15 - 1)
                indexes[here] = head[channels:].clamp(0, model.indexes - 1)
                at = z.numel() + (k * channels * height + row) * width + column
                table, base = model.table_of(mu[here], indexes[here])
                pairs = enumerate(zip(table.tolist(), base.tolist(), strict=True))
                values = [source.latent(at + c * height * width, *pair) for c, pair in pairs]
                y[here] = torch.tensor(values)
                planes.set(*here, y[here])
        parameters = mu.to(torch.int16), indexes.to(torch.uint8), hyper.to(torch.int8)
        return y.to(torch.int16), z, Parameters(*parameters)

    def _visit_z(
        self, source: _LatentWriter | _LatentReader, height: int, width: int, quality: int
    ) -> Tensor:
        channels, first = self.model.z_channels, self.model.z_table(quality)
        values = [
            source.latent(position, first + position // (height * width), 0)
            for position in range(channels * height * width)
        ]
        return torch.tensor(values, dtype=torch.int16).view(channels, height, width)
