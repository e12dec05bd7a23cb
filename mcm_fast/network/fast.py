"""A synthesis of few layers: another rendering of the same streams, for whoever decodes many.

Yang and Mandt ("Computationally-Efficient Neural Image Compression with Shallow Decoders", ICCV
2023) show that two layers lose little beside a deep synthesis if the analysis stays deep.

    1x1 convolution -> inverse GDN -> 3x3 convolution, depth-to-space by 2
                    -> inverse GDN -> 3x3 convolution, depth-to-space by 8
"""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from .blocks import conv
from .config import Config, Stage
from .gdn import GDN
from .transforms import Synthesis, Up

_STAGES = (Stage(2, 192, 0), Stage(8, 64, 0))  # 3.9 kMAC a pixel with the latents of `small`


class ShallowUp(Up):
    """`Up` without residual blocks and attention."""

    def __init__(self, outputs: int, stage: Stage):
        nn.Module.__init__(self)
        self.factor = stage.factor
        self.blocks, self.attention = nn.Sequential(), nn.Identity()
        self.gdn = GDN(stage.width, inverse=True)
        self.conv = conv(stage.width, outputs * stage.factor**2)


class FastSynthesis(Synthesis):
    """A `Synthesis` of the same inputs and outputs: y (N, M, h, w), side (N, F, h, w) -> image."""

    def __init__(self, config: Config):
        nn.Module.__init__(self)
        self.conv = conv(config.latent + config.hyper_widths[2], _STAGES[0].width, 1)
        self.stacked = nn.Identity()
        outputs = [*(stage.width for stage in _STAGES[1:]), 3]
        pairs = zip(outputs, _STAGES, strict=True)
        self.stages = nn.ModuleList(ShallowUp(n, stage) for n, stage in pairs)


def synthesis_of(config: Config, names: Iterable[str]) -> Synthesis:
    """The synthesis that has parameters of these names: `FastSynthesis` has no residual blocks."""
    deep = any(name.startswith("stacked.") for name in names)
    return Synthesis(config) if deep else FastSynthesis(config)
