"""A float synthesis as a list of layers, and what it computes: where the integers come from.

Another synthesis than `Synthesis` needs another `trace_*` and nothing else.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...network.attention import Attention
from ...network.blocks import ResidualBlock, pad_edges
from ...network.gdn import GDN
from ...network.model import Network
from ...network.preview import Preview
from ...network.transforms import Synthesis
from .layers import Activation, Operation


@dataclasses.dataclass
class FloatLayer:
    """A row of the list before it is quantised (see `layers.Layer`).

    weight [O, I, k, k] and bias [O] in fp64; an inverse GDN's are gamma and beta.
    """

    source: int
    weight: Tensor
    bias: Tensor
    operation: Operation = Operation.CONV
    activation: Activation = Activation.NONE
    gate: int = -1
    add: int = -1
    factor: int = 1

    @property
    def kernel(self) -> int:
        return self.weight.shape[-1]

    @property
    def outputs(self) -> int:
        """Channels of the tensor it makes."""
        return len(self.weight) // self.factor**2


class _List:
    """Layers in the making: each method appends, and returns its tensor's number."""

    def __init__(self) -> None:
        self.layers: list[FloatLayer] = []

    def put(self, source: int, weight: Tensor, bias: Tensor, **fields) -> int:
        numbers = weight.detach().cpu().double(), bias.detach().cpu().double()
        self.layers.append(FloatLayer(source, *numbers, **fields))
        return len(self.layers)

    def conv(self, source: int, conv: nn.Conv2d, **fields) -> int:
        return self.put(source, conv.weight, conv.bias, **fields)

    def block(self, x: int, block: ResidualBlock) -> int:
        inner = x
        for conv in block.layers[:-1]:
            inner = self.conv(inner, conv, activation=Activation.LEAKY)
        return self.conv(inner, block.layers[-1], add=x)

    def attention(self, x: int, module: Attention) -> int:
        # Space-to-depth and a 1x1 convolution: a 2x2 one that takes every second row and column.
        squeeze = module.squeeze.weight.flatten(1).unflatten(1, (-1, 2, 2))
        inner = self.put(x, squeeze, module.squeeze.bias, activation=Activation.LEAKY)
        inner = self.conv(inner, module.spread, activation=Activation.LEAKY)
        mask = self.conv(inner, module.mask, activation=Activation.SIGMOID, factor=2)
        return self.conv(x, module.trunk, gate=mask, add=x)

    def inverse_gdn(self, x: int, module: GDN) -> int:
        gamma, beta = module.effective()
        return self.put(x, gamma[:, :, None, None], beta, operation=Operation.INVERSE_GDN)


def trace_synthesis(synthesis: Synthesis) -> list[FloatLayer]:
    """The layers of a synthesis. Its pixels come in levels: 255 for white."""
    out = _List()
    x = out.conv(0, synthesis.conv)
    for block in synthesis.stacked:
        x = out.block(x, block)
    for stage in synthesis.stages:
        for block in stage.blocks:
            x = out.block(x, block)
        if isinstance(stage.attention, Attention):
            x = out.attention(x, stage.attention)
        x = out.inverse_gdn(x, stage.gdn)
        x = out.conv(x, stage.conv, factor=stage.factor)
    last = out.layers[-1]
    last.weight, last.bias = last.weight * 255, (last.bias + 0.5) * 255
    return out.layers


def trace_preview(preview: Preview, scale: int) -> list[FloatLayer]:
    """The layers of a preview at 1/scale; they read y alone. For 16 the last computes the means of
    2 x 2 pixels at once."""
    out = _List()
    x = out.conv(0, preview.first)
    inner = out.conv(x, preview.spread, activation=Activation.LEAKY)
    x = out.inverse_gdn(out.conv(inner, preview.gather, add=x), preview.gdn)
    weight, bias = preview.last.weight, preview.last.bias
    if scale == 16:
        weight, bias = (t.unflatten(0, (3, 4)).double().mean(1) for t in (weight, bias))
    out.put(x, weight * 255, (bias + 0.5) * 255, factor=16 // scale)
    return out.layers


def sees_y_alone(network: Network, layers: list[FloatLayer]) -> bool:
    """Whether tensor 0 is y itself, without its conditional mean and without hyper features."""
    return layers[0].weight.shape[1] == network.config.latent


def tensors_of(layers: list[FloatLayer], latents: Tensor) -> Iterator[Tensor]:
    """What each layer makes of tensor 0, [N, C, h, w], in `latents`' type; no tensor is rounded."""
    tensors = [latents]
    for layer in layers:
        out = _computed(layer, tensors[layer.source])
        if layer.activation == Activation.SIGMOID:
            out = out.sigmoid()
        if layer.activation == Activation.LEAKY:
            out = F.leaky_relu(out, 0.1)
        for number, combine in ((layer.gate, torch.mul), (layer.add, torch.add)):
            if number >= 0:
                out = combine(out, tensors[number][:, :, : out.shape[2], : out.shape[3]])
        tensors.append(out)
        yield out


def _computed(layer: FloatLayer, x: Tensor) -> Tensor:
    weight, bias = layer.weight.to(x.dtype), layer.bias.to(x.dtype)
    if layer.operation == Operation.INVERSE_GDN:
        return x * F.conv2d(x**2, weight, bias).sqrt()
    if layer.kernel == 2:
        even = pad_edges(x, 0, x.shape[3] % 2, 0, x.shape[2] % 2)
        return F.conv2d(even, weight, bias, 2)
    pad = layer.kernel // 2
    return F.pixel_shuffle(F.conv2d(pad_edges(x, *[pad] * 4), weight, bias), layer.factor)
