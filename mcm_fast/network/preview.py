"""Previews: an image at an eighth or a sixteenth of its sides, straight from y.

    x    = 3x3 convolution(y after the inverse gain)         linear
    x    = inverse GDN(x + 1x1 convolution(leaky ReLU(3x3 convolution(x))))
    rows = 3x3 convolution(x)                                 2 x 2 pixels of 3 colours a latent

It sees neither mu nor hyper features, so that an image in tiles needs no pass of the entropy model
over the whole (see `tiled.parameters`).
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from .blocks import conv
from .config import Config
from .gdn import GDN

REACH = 3  # how far a preview sees beyond a latent, in latents: three 3x3 convolutions
WIDTH, INNER = 96, 128  # 0.3 MMAC a latent of `small`, whose synthesis has 4.5


class Preview(nn.Module):
    """y (N, M, h, w) after the inverse gain -> an image in [0, 1], not clamped."""

    def __init__(self, config: Config):
        super().__init__()
        self.first = conv(config.latent, WIDTH)
        self.spread = conv(WIDTH, INNER)
        self.gather = conv(INNER, WIDTH, 1)
        self.gdn = GDN(WIDTH, inverse=True)
        self.last = conv(WIDTH, 12)
        nn.init.zeros_(self.gather.weight)
        nn.init.zeros_(self.gather.bias)

    def forward(self, y: Tensor, scale: int = 8) -> Tensor:
        """(N, 3, 2 h, 2 w) for a scale of 8; for 16 the means of 2 x 2 of these."""
        x = self.first(y)
        x = self.gdn(x + self.gather(F.leaky_relu(self.spread(x), 0.1)))
        image = F.pixel_shuffle(self.last(x), 2) + 0.5
        return image if scale == 8 else F.avg_pool2d(image, 2)
