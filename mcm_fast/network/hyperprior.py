"""The hyperprior: y -> z, z -> features at y's size, and the static distribution of z."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .blocks import conv, pad_edges
from .config import Config
from .level_affine import LIMIT, LevelAffine, fake_quantize_rows


class HyperAnalysis(nn.Module):
    """y after the gain unit (N, M, h, w) -> z (N, Nz, ceil(h/4), ceil(w/4)), not yet rounded.

    asinh keeps the magnitudes of all rates in one range.
    """

    def __init__(self, config: Config):
        super().__init__()
        width = config.hyper_widths[1]
        self.first = conv(config.latent, width)
        self.second = conv(4 * width, width)
        self.third = conv(4 * width, config.hyper_latent)

    def forward(self, y: Tensor) -> Tensor:
        height, width = y.shape[-2:]
        y = pad_edges(torch.asinh(y), 0, -width % 4, 0, -height % 4)
        x = F.leaky_relu(self.first(y), 0.1)
        x = F.leaky_relu(self.second(F.pixel_unshuffle(x, 2)), 0.1)
        return self.third(F.pixel_unshuffle(x, 2))


class HyperSynthesis(nn.Module):
    """z_hat (N, Nz, hz, wz) -> features (N, F, 4 hz, 4 wz). Becomes integers (FORMAT.md, 3)."""

    def __init__(self, config: Config):
        super().__init__()
        a, b, f = config.hyper_widths
        sizes = ((config.hyper_latent, 4 * a), (a, 4 * b), (b, f))
        self.weights = nn.ParameterList(_kaiming(out, inp, 3, 3) for inp, out in sizes)
        self.affines = nn.ModuleList(LevelAffine(config.levels, out) for _, out in sizes)
        self.quantized = False

    def forward(self, z_hat: Tensor, level: Tensor) -> Tensor:
        x = z_hat.clamp(-LIMIT, LIMIT)
        for i, (weight, affine) in enumerate(zip(self.weights, self.affines, strict=True)):
            weight = fake_quantize_rows(weight) if self.quantized else weight
            x = F.conv2d(pad_edges(x, 1, 1, 1, 1), weight)
            x = affine(x, level)
            x = F.pixel_shuffle(x, 2) if i < 2 else x
        return x


class FactorizedPrior(nn.Module):
    """A mixture of three logistics for each gain level and channel of z."""

    def __init__(self, levels: int, channels: int, components: int = 3):
        super().__init__()
        shape = (levels, channels, components)
        self.mean = nn.Parameter(torch.linspace(-1, 1, components).expand(shape).clone())
        self.log_scale = nn.Parameter(torch.zeros(shape))
        self.logit = nn.Parameter(torch.zeros(shape))

    def cdf(self, x: Tensor, level: Tensor) -> Tensor:
        """P(z <= x) with x (N, C, ...) and the nearest level to each of level (N,)."""
        rows = (level + 0.5).floor().long()
        shape = (*x.shape[:2], *(1,) * (x.dim() - 2), -1)
        mean, log_scale, logit = (
            p[rows].view(shape) for p in (self.mean, self.log_scale, self.logit)
        )
        parts = torch.sigmoid((x[..., None] - mean) * torch.exp(-log_scale.clamp(-4, 6)))
        return (parts * logit.softmax(-1)).sum(-1)

    def bits(self, z: Tensor, level: Tensor) -> Tensor:
        """The cost of each element of z (N, C, h, w) in a bin of width 1, in bits."""
        with torch.autocast(z.device.type, enabled=False):
            z = z.float()
            mass = self.cdf(z + 0.5, level) - self.cdf(z - 0.5, level)
        return -torch.log2(mass.clamp(min=1e-9))


def _kaiming(*shape: int) -> nn.Parameter:
    weight = torch.empty(shape)
    nn.init.kaiming_normal_(weight, a=0.25)
    return nn.Parameter(weight)
