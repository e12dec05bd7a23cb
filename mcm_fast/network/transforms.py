"""The analysis and the synthesis transform: image <-> y."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import Attention
from .blocks import ResidualBlock, StackedResidualBlock, conv
from .config import Config, Stage
from .gdn import GDN


class Down(nn.Module):
    """Space-to-depth, convolution, GDN, attention, residual blocks."""

    def __init__(self, inputs: int, stage: Stage, bottleneck: float):
        super().__init__()
        self.factor = stage.factor
        self.conv = conv(inputs * stage.factor**2, stage.width)
        self.gdn = GDN(stage.width)
        self.attention = Attention(stage.width)
        blocks = (ResidualBlock(stage.width, bottleneck) for _ in range(stage.blocks))
        self.blocks = nn.Sequential(*blocks)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(F.pixel_unshuffle(x, self.factor))
        return self.blocks(self.attention(self.gdn(x)))


class Up(nn.Module):
    """`Down` mirrored: residual blocks, attention, inverse GDN, convolution, depth-to-space."""

    def __init__(self, outputs: int, stage: Stage, bottleneck: float):
        super().__init__()
        self.factor = stage.factor
        blocks = (ResidualBlock(stage.width, bottleneck) for _ in range(stage.blocks))
        self.blocks = nn.Sequential(*blocks)
        self.attention = Attention(stage.width)
        self.gdn = GDN(stage.width, inverse=True)
        self.conv = conv(stage.width, outputs * stage.factor**2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.gdn(self.attention(self.blocks(x)))
        return F.pixel_shuffle(self.conv(x), self.factor)


Through = Callable[[Down | Up, Tensor], Tensor]  # a stage and its input -> its output


def at_once(stage: Down | Up, x: Tensor) -> Tensor:
    return stage(x)


class Analysis(nn.Module):
    """Image in [0, 1], (N, 3, H, W) with H and W multiples of 16 -> y (N, M, H/16, W/16)."""

    def __init__(self, config: Config):
        super().__init__()
        widths = [3, *(stage.width for stage in config.stages)]
        stages = zip(widths, config.stages, strict=False)
        self.stages = nn.ModuleList(Down(n, stage, config.bottleneck) for n, stage in stages)
        self.conv = conv(widths[-1], config.latent, 1)

    def forward(self, x: Tensor, through: Through = at_once) -> Tensor:
        x = (x - 0.5).to(self.conv.weight.dtype)
        for stage in self.stages:
            x = through(stage, x)
        return self.conv(x)


class Synthesis(nn.Module):
    """y (N, M, h, w) after the inverse gain, beside the hyper features (N, F, h, w) -> image.

    The side information enters with y, before the stacked residual block (MCM, section 2). Its
    columns start at zero.
    """

    def __init__(self, config: Config):
        super().__init__()
        stages = config.stages[::-1]
        width = stages[0].width
        self.conv = conv(config.latent + config.hyper_widths[2], width)
        with torch.no_grad():
            self.conv.weight[:, config.latent :] = 0
        self.stacked = StackedResidualBlock(width, config.bottleneck)
        outputs = [*(stage.width for stage in stages[1:]), 3]
        pairs = zip(outputs, stages, strict=True)
        self.stages = nn.ModuleList(Up(n, stage, config.bottleneck) for n, stage in pairs)

    def forward(self, y: Tensor, side: Tensor, through: Through = at_once) -> Tensor:
        x = torch.cat((y, side), 1).to(self.conv.weight.dtype)
        x = self.stacked(self.conv(x))
        for stage in self.stages:
            x = through(stage, x)
        return x + 0.5
