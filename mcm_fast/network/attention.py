"""The light attention module: a trunk weighted by a sigmoid mask made at half resolution."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .blocks import conv, pad_edges


class Attention(nn.Module):
    """x + trunk(x) * sigmoid(mask(x)), the mask's strided and transposed convolutions replaced
    by space-to-depth and depth-to-space (MCM, section 2). Local on purpose: no pooling over the
    image, which would break tiles. The trunk starts at zero, so a new module is the identity.
    """

    def __init__(self, channels: int, bottleneck: float = 0.5):
        super().__init__()
        inner = int(channels * bottleneck)
        self.trunk = conv(channels, channels, 1)
        self.squeeze = conv(4 * channels, inner, 1)
        self.spread = conv(inner, inner)
        self.mask = conv(inner, 4 * channels, 1)
        nn.init.zeros_(self.trunk.weight)
        nn.init.zeros_(self.trunk.bias)

    def forward(self, x: Tensor) -> Tensor:  # [N, C, H, W], any H and W
        height, width = x.shape[-2:]
        even = pad_edges(x, 0, width % 2, 0, height % 2)
        mask = F.leaky_relu_(self.squeeze(F.pixel_unshuffle(even, 2)), 0.1)
        mask = self.mask(F.leaky_relu_(self.spread(mask), 0.1)).sigmoid_()
        mask = F.pixel_shuffle(mask, 2)[..., :height, :width]
        return torch.addcmul(x, self.trunk(x), mask)
