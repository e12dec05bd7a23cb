"""A small synthesis: another rendering of the same streams, for whoever decodes many.

`Synthesis` without attention, with few and narrow residual blocks, and a 1x1 first convolution:

    1x1 convolution, then three times: residual blocks -> inverse GDN -> convolution, depth-to-space

Two layers alone (Yang and Mandt, "Computationally-Efficient Neural Image Compression with Shallow
Decoders", ICCV 2023) lose little if they are trained with their analysis. With finished latents of
a deep synthesis they do not come near it (docs/log/training.md).
"""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from .blocks import ResidualBlock, conv
from .config import Config, Stage
from .gdn import GDN
from .transforms import Synthesis, Up

_STAGES = (Stage(2, 192, 1), Stage(2, 64, 2), Stage(4, 32, 1))  # 3.8 kMAC a pixel for `small`
_KERNELS = (1, 3, 3)  # of the stages' convolutions
_BOTTLENECK = 0.5


class PlainUp(Up):
    """`Up` without attention."""

    def __init__(self, outputs: int, stage: Stage, kernel: int):
        nn.Module.__init__(self)
        self.factor = stage.factor
        blocks = (ResidualBlock(stage.width, _BOTTLENECK) for _ in range(stage.blocks))
        self.blocks, self.attention = nn.Sequential(*blocks), nn.Identity()
        self.gdn = GDN(stage.width, inverse=True)
        self.conv = conv(stage.width, outputs * stage.factor**2, kernel)


class FastSynthesis(Synthesis):
    """A `Synthesis` of the same inputs and outputs: y (N, M, h, w), side (N, F, h, w) -> image.

    Tiles are cut for `config`'s own synthesis, which must see as far at every stage: ValueError for
    one of fewer stages.
    """

    def __init__(self, config: Config):
        nn.Module.__init__(self)
        if len(config.stages) < len(_STAGES):
            raise ValueError(f"a fast synthesis is for {len(_STAGES)} stages or more")
        self.conv = conv(config.latent + config.hyper_widths[2], _STAGES[0].width, 1)
        self.stacked = nn.Sequential()
        outputs = [*(stage.width for stage in _STAGES[1:]), 3]
        parts = zip(outputs, _STAGES, _KERNELS, strict=True)
        self.stages = nn.ModuleList(PlainUp(*part) for part in parts)


def synthesis_of(config: Config, names: Iterable[str]) -> Synthesis:
    """The synthesis that has parameters of these names: `FastSynthesis` has no stacked block."""
    deep = any(name.startswith("stacked.") for name in names)
    return Synthesis(config) if deep else FastSynthesis(config)
