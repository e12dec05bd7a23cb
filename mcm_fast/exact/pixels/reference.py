"""The oracle: layers.py, line by line, in fp64. Every sum is a whole number below 2^53, so fp64
holds it exactly, in any order and on any device."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from . import layers as rule
from .layers import Activation, Layer, Operation
from .rendering import Rendering


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
    height, width = y.shape[1:]
    tensors = [latents_in(rendering, y, mu, indexes, hyper, quality)]
    for i, layer in enumerate(rendering.layers):
        numbers = {
            name: torch.from_numpy(rendering.tensors[f"{i}.{name}"]).to(y.device)
            for name in ("weight", "multiplier", "bias", "beta")
            if f"{i}.{name}" in rendering.tensors
        }
        size = (_at(height, rendering.scales[i + 1]), _at(width, rendering.scales[i + 1]))
        operation = inverse_gdn if layer.operation == Operation.INVERSE_GDN else conv
        out = operation(layer, tensors, numbers, rendering)
        tensors.append(out[:, : size[0], : size[1]])
    return tensors[-1].to(torch.uint8)


def latents_in(
    rendering: Rendering, y: Tensor, mu: Tensor, indexes: Tensor, hyper: Tensor, quality: int
) -> Tensor:
    """Tensor 0, fp64 [M + F, h, w]."""
    tables = {name: torch.from_numpy(t).to(y.device) for name, t in rendering.tensors.items()}
    limit, shift = tables["input"].tolist()
    distance = 16 * y.long() - mu.long()
    nearest = distance.abs().clamp(max=tables["means"].shape[1] - 1)
    step = tables["means"].long()[indexes.long(), nearest]
    mean = (y.long() << rule.MEAN_BITS) + distance.sign() * step
    gain = torch.from_numpy(rendering.gain_at(quality)).to(y.device)[:, None, None]
    factor = tables["exp2"].long()[(gain & 65535) >> (16 - rule.EXP2_BITS)]
    t = rule.GAIN_SHIFT - (gain >> 16)
    scaled = (mean * factor + (1 << (t - 1))) >> t
    features = hyper.long().clamp(-rule.HYPER_LIMIT, rule.HYPER_LIMIT) << shift
    return torch.cat((scaled.clamp(-limit, limit), features)).double()


def conv(
    layer: Layer, tensors: list[Tensor], numbers: dict[str, Tensor], rendering: Rendering
) -> Tensor:
    """[C, h, w] -> [O / factor^2, h factor, w factor], fp64."""
    v = requantize(products(tensors[layer.source], numbers["weight"]), numbers)
    v = v.clamp(-rule.MOST - 1, rule.MOST)
    if layer.activation == Activation.LEAKY:
        v = torch.maximum(v, ((v * rule.SLOPE + rule.HALF) / 2**15).floor())
    if layer.activation == Activation.SIGMOID:
        place = v.clamp(-rule.SIGMOIDS, rule.SIGMOIDS - 1).long() + rule.SIGMOIDS
        v = torch.from_numpy(rendering.tensors["sigmoid"]).to(v.device).double()[place]
    v = F.pixel_shuffle(v, layer.factor)
    if layer.gate >= 0:
        gate = tensors[layer.gate][:, : v.shape[1], : v.shape[2]]
        v = ((v * gate + rule.HALF) / 2**15).floor()
    if layer.add >= 0:
        v = v + tensors[layer.add][:, : v.shape[1], : v.shape[2]]
    last = layer is rendering.layers[-1]
    return v.clamp(0 if last else -layer.limit, layer.limit)


def inverse_gdn(
    layer: Layer, tensors: list[Tensor], numbers: dict[str, Tensor], rendering: Rendering
) -> Tensor:
    """[C, h, w] -> [C, h, w], fp64."""
    x, shift = tensors[layer.source], layer.factor
    square = ((x**2 + (1 << shift >> 1)) / 2**shift).floor().clamp(max=rule.MOST)
    norm = products(square, numbers["weight"]) + numbers["beta"].double()[:, None, None]
    # Below 2^52 the rounded root of a whole number is never on the other side of a whole number.
    v = requantize(x * norm.sqrt().floor(), numbers)
    return v.clamp(-layer.limit, layer.limit)


def products(x: Tensor, weight: Tensor) -> Tensor:
    """The exact convolution of x [C, h, w] with weight [O, C, k, k], by one matrix product."""
    kernel = weight.shape[-1]
    height, width = x.shape[1:]
    stride = 2 if kernel == 2 else 1
    low, high = (1, 1) if kernel == 3 else (0, 0)
    below, right = (height % 2, width % 2) if kernel == 2 else (high, high)
    x = F.pad(x[None], (low, right, low, below), mode="replicate")
    size = (x.shape[2] - kernel) // stride + 1, (x.shape[3] - kernel) // stride + 1
    columns = F.unfold(x, kernel, stride=stride)[0]
    return (weight.double().flatten(1) @ columns).unflatten(1, size)


def requantize(acc: Tensor, numbers: dict[str, Tensor]) -> Tensor:
    """floor((acc * multiplier + bias) / 2^SHIFT)."""
    multiplier, bias = (numbers[name].double()[:, None, None] for name in ("multiplier", "bias"))
    return ((acc * multiplier + bias) / 2**rule.SHIFT).floor()


def _at(length: int, scale: int) -> int:
    """Positions of a tensor along a side of so many latents."""
    return length << scale if scale >= 0 else -(-length // 2**-scale)
