"""The oracle: layers.py, line by line, in plain torch, on any device. Tensors are int16, channels
last, and what is made of two of their numbers fits int32. Sums of products and requantisation are
fp64: whole numbers below 2^53, which it holds exactly, in any order.

cuda.py paints with the same functions, some rows of a tensor at a time.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from . import layers as rule
from .layers import Activation, Layer, Operation
from .rendering import QUALITY_STEPS, Rendering


class Numbers(NamedTuple):
    """A layer's integers."""

    weight: Tensor  # fp64 [k k C, O]
    multiplier: Tensor  # fp64 [O]
    bias: Tensor  # fp64 [O]
    beta: Tensor  # fp64 [O] of an inverse GDN, else empty


class Placed:
    """A rendering whose integers lie on a device; they arrive before it is made."""

    def __init__(self, rendering: Rendering, device: torch.device):
        self.rendering, self.layers = rendering, rendering.layers
        self.limit, self.shift = rendering.tensors["input"].tolist()

        def put(name: str, dtype: type) -> Tensor:
            return torch.from_numpy(rendering.tensors[name].astype(dtype)).to(device)

        self.tables = {name: put(name, np.int64) for name in ("gain", "exp2", "means")}
        self.sigmoid = put("sigmoid", np.int32)
        self.numbers = []
        for i, layer in enumerate(self.layers):
            weight = rendering.tensors[f"{i}.weight"].transpose(2, 3, 1, 0).astype(np.float64)
            columns = np.ascontiguousarray(weight.reshape(-1, weight.shape[-1]))
            beta = put(f"{i}.beta", np.float64) if layer.operation else torch.empty(0)
            affine = (put(f"{i}.{name}", np.float64) for name in ("multiplier", "bias"))
            self.numbers.append(Numbers(torch.from_numpy(columns).to(device), *affine, beta))


def render(
    rendering: Rendering, y: Tensor, mu: Tensor, indexes: Tensor, hyper: Tensor, quality: int
) -> Tensor:
    """Decoded latents and what the entropy model says of them -> pixels.

    Args:
        y, mu: int16 [M, h, w].
        indexes: uint8 [M, h, w].
        hyper: int8 [F, h, w].
        quality: 0 .. 10000.

    Returns uint8 [3, h * block, w * block], in coded orientation, on y's device.
    """
    placed, (height, width) = Placed(rendering, y.device), y.shape[1:]
    tensors = {0: latents_in(placed, y, mu, indexes, hyper, quality)}
    for i, layer in enumerate(rendering.layers):
        size = rendering.size_of(i + 1, height, width)
        rows = range(rows_before(layer, tensors[layer.source]))
        tensors[i + 1] = layer_rows(placed, i, tensors, rows, size)
    return tensors[len(rendering.layers)].permute(2, 0, 1).to(torch.uint8)


def latents_in(
    placed: Placed, y: Tensor, mu: Tensor, indexes: Tensor, hyper: Tensor, quality: int
) -> Tensor:
    """Tensor 0, int16 [h, w, M + F]."""
    y, mu, indexes, hyper = (plane.permute(1, 2, 0).long() for plane in (y, mu, indexes, hyper))
    means, exp2 = placed.tables["means"], placed.tables["exp2"]
    distance = 16 * y - mu
    step = means[indexes, distance.abs().clamp(max=means.shape[1] - 1)]
    mean = (y << rule.MEAN_BITS) + distance.sign() * step
    gain = gain_at(placed, quality)
    factor = exp2[(gain & 65535) >> (16 - rule.EXP2_BITS)]
    t = rule.GAIN_SHIFT - (gain >> 16)
    scaled = (mean * factor + (1 << (t - 1))) >> t
    features = hyper.clamp(-rule.HYPER_LIMIT, rule.HYPER_LIMIT) << placed.shift
    return torch.cat((scaled.clamp(-placed.limit, placed.limit), features), 2).to(torch.int16)


def gain_at(placed: Placed, quality: int) -> Tensor:
    """log2 gains in 16.16 (int64 [M]) at a quality in 0..10000."""
    gain = placed.tables["gain"]
    low, fraction = divmod(quality * (len(gain) - 1), QUALITY_STEPS)
    if low == len(gain) - 1:
        low, fraction = low - 1, QUALITY_STEPS
    step = (gain[low + 1] - gain[low]) * fraction + QUALITY_STEPS // 2
    return gain[low] + step // QUALITY_STEPS


def layer_rows(
    placed: Placed, i: int, tensors: dict[int, Tensor], rows: range, size: tuple[int, int]
) -> Tensor:
    """Rows of layer i, counted before its depth-to-space, of an output of `size`: int16."""
    layer, numbers = placed.layers[i], placed.numbers[i]
    if layer.operation == Operation.INVERSE_GDN:
        return inverse_gdn(layer, tensors[layer.source][rows.start : rows.stop], numbers)
    first, last = rows.start * layer.factor, min(rows.stop * layer.factor, size[0])
    v = activated(placed, layer, requantize(products(taps(layer, tensors, rows), numbers), numbers))
    v = depth_to_space(v, layer.factor)[: last - first, : size[1]]
    if layer.gate >= 0:
        v = (v * tensors[layer.gate][first:last] + rule.HALF) >> 15
    if layer.add >= 0:
        v = v + tensors[layer.add][first:last]
    least = 0 if i == len(placed.layers) - 1 else -layer.limit
    return v.clamp(least, layer.limit).to(torch.int16)


def activated(placed: Placed, layer: Layer, v: Tensor) -> Tensor:
    """fp64 [h, w, O] -> int32 [h, w, O]."""
    v = v.clamp(-rule.MOST - 1, rule.MOST).int()
    if layer.activation == Activation.LEAKY:
        return torch.maximum(v, (v * rule.SLOPE + rule.HALF) >> 15)
    if layer.activation == Activation.SIGMOID:
        return placed.sigmoid[v.clamp(-rule.SIGMOIDS, rule.SIGMOIDS - 1).long() + rule.SIGMOIDS]
    return v


def inverse_gdn(layer: Layer, x: Tensor, numbers: Numbers) -> Tensor:
    """int16 [h, w, C] -> int16 [h, w, C]."""
    x, shift = x.int(), layer.factor
    square = ((x**2 + (1 << shift >> 1)) >> shift).clamp(max=rule.MOST)
    norm = products(square, numbers) + numbers.beta
    # Below 2^52 the rounded root of a whole number is never on the other side of a whole number.
    # CUDA's of fp64 is IEEE's (NVIDIA, "Floating Point and IEEE 754", docs.nvidia.com).
    v = requantize(x * norm.sqrt().floor(), numbers)
    return v.clamp(-layer.limit, layer.limit).to(torch.int16)


def rows_before(layer: Layer, source: Tensor) -> int:
    """Rows that a layer makes of its source, before its depth-to-space."""
    return -(-len(source) // 2) if layer.kernel == 2 else len(source)


def taps(layer: Layer, tensors: dict[int, Tensor], rows: range) -> Tensor:
    """What rows of a convolution see of its source [h, w, C]: [rows, columns, k k C]."""
    x, kernel = tensors[layer.source], layer.kernel
    if kernel == 1:
        return x[rows.start : rows.stop]
    stride, before = (2, 0) if kernel == 2 else (1, 1)

    def places(positions: range, length: int) -> Tensor:
        """[positions, k]: the edge is repeated."""
        first = torch.arange(positions.start, positions.stop, device=x.device) * stride - before
        return (first[:, None] + torch.arange(kernel, device=x.device)).clamp(0, length - 1)

    height, width = x.shape[:2]
    down, across = places(rows, height), places(range(-(-width // stride)), width)
    return x[down[:, None, :, None], across[None, :, None, :]].flatten(2)


def products(x: Tensor, numbers: Numbers) -> Tensor:
    """The exact sums of x [h, w, k k C] with a layer's weights: fp64 [h, w, O].

    A matrix product: BLAS adds fp64 products up in some order, and nothing else. A convolution of a
    library may transform its operands first (Winograd, FFT), which is not exact.
    """
    return x.double() @ numbers.weight


def requantize(acc: Tensor, numbers: Numbers) -> Tensor:
    """floor((acc * multiplier + bias) / 2^SHIFT)."""
    return ((acc * numbers.multiplier + numbers.bias) / 2**rule.SHIFT).floor()


def depth_to_space(v: Tensor, factor: int) -> Tensor:
    """[h, w, C f f] -> [h f, w f, C]."""
    if factor == 1:
        return v
    parts = v.unflatten(2, (-1, factor, factor))  # h, w, C, i, j
    return parts.permute(0, 3, 1, 4, 2).flatten(0, 1).flatten(1, 2)
