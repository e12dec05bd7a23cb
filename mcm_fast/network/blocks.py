"""The convolution, the residual block and the stacked residual block of the paper."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


def conv(inputs: int, outputs: int, kernel: int = 3) -> nn.Conv2d:
    """A convolution padded by replication (reflection fails on 1x1)."""
    pad = kernel // 2
    mode = "replicate" if pad else "zeros"
    return nn.Conv2d(inputs, outputs, kernel, padding=pad, padding_mode=mode)


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
            out = F.leaky_relu(layer(out), 0.1)
        return x + self.layers[-1](out)


class StackedResidualBlock(nn.Sequential):
    """Five residual blocks in a row (MCM, section 2)."""

    def __init__(self, channels: int, bottleneck: float = 1.0):
        super().__init__(*(ResidualBlock(channels, bottleneck) for _ in range(5)))
