"""Export: a float synthesis -> the integers of a rendering.

Tensor t's channel c holds whole numbers of scale[t][c]. The scales are as fine as `ranges` on
sample images and a margin allow; tensors that are added to each other share them. So every channel
uses its tensor's whole range, and the layers that read it have its scale in their weights: they
are equalised. A tensor's limit and its readers' weights share out the 31 bits of an accumulator.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from ...limits import SCALES
from ...network.model import Network
from ...network.preview import Preview
from ...network.transforms import Synthesis
from ..engines import make_engine
from ..model import IntegerModel
from .calibrate import Range, Sample, ranges, samples_of
from .decoder_file import save_decoder
from .layers import (
    HYPER_LIMIT,
    LAST,
    MOST,
    PREVIEW,
    SHIFT,
    SIGMOID_STEPS,
    Activation,
    Layer,
    Operation,
)
from .rendering import Rendering
from .tables import exp2_table, gain_table, means_table, no_means, sigmoid_table
from .trace import FloatLayer, sees_y_alone, trace_preview, trace_synthesis

MARGIN = 5.0  # of a channel's limit above the largest value in the samples
CREST = 34  # a tensor's limit over its typical value; what balances its rounding and its weights'
ACC_BITS, NORM_BITS = 31, 30
MOST_WEIGHT = 16383
FEATURE = 1 / 16  # a step of the hyper features


def export_pixels(
    network: Network,
    integers: IntegerModel,
    renderings: dict[str, Synthesis],
    images: Iterable[Tensor],
    path: str | os.PathLike,
    preview: Preview | None = None,
) -> dict[str, Rendering]:
    """Write the decoder's file of a model: its integers and those of each rendering, no floats.
    Previews are renderings called `preview8` and `preview16`.

    Args:
        renderings: by name; "faithful" is `network.synthesis`.
        images: uint8 (3, H, W), sides multiples of 64: what the scales are chosen by.

    Returns the renderings. Raises ValueError when a bound does not hold.
    """
    samples = samples_of(network, make_engine(integers, None, torch.device("cpu")), images)
    lists = {name: trace_synthesis(net) for name, net in renderings.items()}
    if preview is not None:
        lists |= {PREVIEW.format(n): trace_preview(preview, n) for n in SCALES}
    found = {
        name: quantize_list(network, layers, ranges(network, layers, samples))
        for name, layers in lists.items()
    }
    save_decoder(path, integers.tensors, found)
    return found


def quantize(network: Network, synthesis: Synthesis, samples: list[Sample]) -> Rendering:
    """The integers of one rendering. Raises ValueError when a bound does not hold."""
    layers = trace_synthesis(synthesis)
    return quantize_list(network, layers, ranges(network, layers, samples))


def quantize_list(network: Network, layers: list[FloatLayer], found: list[Range]) -> Rendering:
    """The integers of a list of float layers whose tensors have these ranges."""
    limits, latent = _limits(layers), network.config.latent
    scales = _scales(layers, found, limits)
    shift = int(math.log2(limits[0] / HYPER_LIMIT))
    scales[0][latent:] = FEATURE / 2**shift
    tensors = {
        "input": np.array([limits[0], shift], np.int32),
        "gain": gain_table(network.inverse_gain, scales[0][:latent].numpy()),
        "exp2": exp2_table(),
        "means": no_means() if sees_y_alone(network, layers) else means_table(),
        "sigmoid": sigmoid_table(),
    }
    rows = []
    for i, layer in enumerate(layers):
        integers = _inverse_gdn if layer.operation == Operation.INVERSE_GDN else _conv
        limit = limits[layer.source], limits[i + 1]
        factor, numbers = integers(layer, scales[layer.source], scales[i + 1], *limit)
        tensors |= {f"{i}.{name}": t.numpy() for name, t in numbers.items()}
        fields = layer.operation, layer.source, layer.kernel, layer.activation
        rows.append(Layer(*fields, layer.gate, layer.add, factor, limits[i + 1]))
    return Rendering(tensors | {"layers": np.array(rows, np.int32)})


def _limits(layers: list[FloatLayer]) -> list[int]:
    """Of each tensor: what is best for the widest convolution that reads it.

    With K weights and a limit A, an activation's error is of the order CREST / A of its value, a
    weight's of A K / 2^31. Masks are forgiving: what only they read is not looked at.
    """
    limits = []
    for number in range(len(layers)):
        sizes = [layer.weight[0].numel() for layer in layers if layer.source == number]
        exact = [layer for layer in layers if layer.source == number and layer.kernel != 2]
        sizes = [layer.weight[0].numel() for layer in exact] or sizes or [1]
        limits.append(min(int((CREST * 2**ACC_BITS / max(sizes)) ** 0.5), MOST // 2))
    for i, layer in enumerate(layers):
        if layer.activation == Activation.SIGMOID:
            limits[i + 1] = MOST
    return [*limits, LAST]


def _scales(layers: list[FloatLayer], found: list[Range], limits: list[int]) -> list[Tensor]:
    """Of each tensor: the value of 1 in each channel, fp64 [C]."""
    scales = []
    for number, (low, high) in enumerate(found):
        largest = torch.maximum(high, -low)
        if number and layers[number - 1].activation == Activation.LEAKY:
            # What comes before the activation is ten times as large and must fit 16 bits.
            largest = torch.maximum(largest, -10 * low * limits[number] / MOST)
        scales.append((MARGIN * largest).clamp(min=1e-3 * float(largest.max()) + 1e-6))
    for i, layer in reversed(list(enumerate(layers))):  # residual streams have one scale
        if layer.add >= 0:
            scales[layer.add] = torch.maximum(scales[layer.add], scales[i + 1])
    for i, layer in enumerate(layers):
        if layer.add >= 0:
            scales[i + 1] = scales[layer.add]
            limits[i + 1] = limits[layer.add]
    scales = [scale / limit for scale, limit in zip(scales, limits, strict=True)]
    for i, layer in enumerate(layers):
        if layer.activation == Activation.SIGMOID:
            scales[i + 1] = torch.full_like(scales[i + 1], 1 / (MOST + 1))
    scales[-1] = torch.ones_like(scales[-1])
    return scales


Integers = tuple[int, dict[str, Tensor]]  # the row's `factor`, and the layer's tensors


def _conv(layer: FloatLayer, scale: Tensor, out: Tensor, limit: int, _: int) -> Integers:
    if layer.activation == Activation.SIGMOID:
        out = torch.full_like(out, 1 / SIGMOID_STEPS)
    out = out.repeat_interleave(layer.factor**2)
    weight = layer.weight * scale[:, None, None]
    numbers = _rows(weight, out, limit, ACC_BITS)
    numbers["bias"] = _rounded(layer.bias / out)
    return layer.factor, numbers


def _rows(weight: Tensor, out: Tensor, limit: int, bits: int) -> dict[str, Tensor]:
    """Integer weights and multipliers: their product is weight / out, in 2^-SHIFT.

    Each row is as fine as its bound, and its largest weight, allow.
    """
    flat = weight.flatten(1).abs()
    room = 2.0**bits - 1 - limit * (flat.shape[1] / 2 + 1)  # roundings may all go up
    step = torch.maximum(flat.sum(1) * limit / room, flat.amax(1) / MOST_WEIGHT)
    multiplier = (step / out * 2**SHIFT).ceil().clamp(min=1)
    step = multiplier * out / 2**SHIFT  # exactly what the multiplier says
    integers = (weight / step[:, None, None, None]).round()
    return {"weight": integers.to(torch.int16), "multiplier": multiplier.to(torch.int32)}


def _rounded(value: Tensor) -> Tensor:
    """A bias in 2^-SHIFT, with the half that makes the floor a rounding."""
    return (value * 2**SHIFT).round().long() + (1 << (SHIFT - 1))


def _inverse_gdn(layer: FloatLayer, scale: Tensor, out: Tensor, limit: int, _: int) -> Integers:
    shift = max(0, 2 * limit.bit_length() - 15)
    square = min((limit**2 + (1 << shift >> 1)) >> shift, MOST)
    weight = layer.weight * (scale**2 * 2**shift)[:, None, None]
    flat = weight.flatten(1)
    room = 2.0**NORM_BITS - 1 - square * (flat.shape[1] / 2 + 1)
    step = (flat.sum(1) * square + layer.bias) / room
    step = torch.maximum(step, flat.amax(1) / MOST)
    numbers = {
        "weight": (weight / step[:, None, None, None]).round().to(torch.int16),
        "beta": (layer.bias / step).round().to(torch.int32),
        "multiplier": (scale * step.sqrt() / out * 2**SHIFT).round().to(torch.int32),
        "bias": torch.full((len(flat),), 1 << (SHIFT - 1)),
    }
    return shift, numbers
