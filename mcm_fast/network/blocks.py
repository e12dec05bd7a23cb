"""The convolution, the residual block and the stacked residual block of the paper."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def pad_edges(x: Tensor, left: int, right: int, top: int, bottom: int) -> Tensor:
    """F.pad's replication of [N, C, H, W] with the same values, in the same memory format.

    On a GPU and for channels_last it is put together from slices: replication_pad2d knows no
    channels_last, and its backward pass can neither be fused nor be compiled for such inputs.
    """
    if not (left or right or top or bottom):
        return x  # F.pad would copy
    if not (x.is_cuda or torch.compiler.is_compiling()) and x.is_contiguous():
        return F.pad(x, (left, right, top, bottom), mode="replicate")
    if left or right:
        x = torch.cat((*[x[..., :1]] * left, x, *[x[..., -1:]] * right), 3)
    if top or bottom:
        x = torch.cat((*[x[..., :1, :]] * top, x, *[x[..., -1:, :]] * bottom), 2)
    return x


class Conv(nn.Conv2d):
    """A convolution padded by replication (reflection fails on 1x1).

    `product` is F.conv2d; training may put a function of the same values in its place.
    """

    product = staticmethod(F.conv2d)

    def forward(self, x: Tensor) -> Tensor:
        pad = self.kernel_size[0] // 2
        return self.product(pad_edges(x, pad, pad, pad, pad), self.weight, self.bias)


def conv(inputs: int, outputs: int, kernel: int = 3) -> nn.Conv2d:
    return Conv(inputs, outputs, kernel)


class ResidualBlock(nn.Module):
    """x + branch(x). `bottleneck` 1: two 3x3 convolutions; below: 1x1, 3x3, 1x1 at that width.

    The last convolution starts at zero, so a new block is the identity.
    """

    def __init__(self, channels: int, bottleneck: float = 1.0):
        super().__init__()
        if bottleneck == 1.0:
            layers = [conv(channels, channels), conv(channels, channels)]
        else:
            inner = int(channels * bottleneck)
            layers = [conv(channels, inner, 1), conv(inner, inner), conv(inner, channels, 1)]
        self.layers = nn.ModuleList(layers)
        nn.init.zeros_(layers[-1].weight)
        nn.init.zeros_(layers[-1].bias)

    def forward(self, x: Tensor) -> Tensor:
        out = x
        for layer in self.layers[:-1]:
            out = F.leaky_relu_(layer(out), 0.1)
        return self.layers[-1](out).add_(x)


class StackedResidualBlock(nn.Sequential):
    """Five residual blocks in a row (MCM, section 2)."""

    def __init__(self, channels: int, bottleneck: float = 1.0):
        super().__init__(*(ResidualBlock(channels, bottleneck) for _ in range(5)))
