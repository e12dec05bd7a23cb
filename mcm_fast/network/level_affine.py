"""What every layer of the entropy model does after its products: an affine map for each gain
level, a piecewise-linear activation, and in the last phase of training the rounding of the
integers it will become (FORMAT.md, section 3).

    u = (alpha[level] * acc + beta[level]) * STEPS     one activation step is 1 / STEPS
    v = round(u)                                        only while `quantized`
    a = clamp(max(v, (v + 2) >> 2), -127, 127) / STEPS

The context model's inputs are latents in units of the quantiser's step, whose spread grows with
the level; alpha starts as the inverse of the level's gain, so that the features have one scale at
all levels and int8 is enough for them.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .gain import interpolate

STEPS = 16  # an int8 activation spans -127/16 .. 127/16
LIMIT = 127


def round_through(x: Tensor) -> Tensor:
    """Round to nearest, with the gradient of the identity."""
    return x + (torch.floor(x + 0.5) - x).detach()


def quantize_rows(weight: Tensor) -> tuple[Tensor, Tensor]:
    """[O, ...] -> int8 values (as float) [O, ...] and the scale of each row [O]."""
    scale = weight.detach().flatten(1).abs().amax(1).clamp(min=1e-8) / LIMIT
    shape = (-1,) + (1,) * (weight.dim() - 1)
    return torch.floor(weight / scale.view(shape) + 0.5), scale


def fake_quantize_rows(weight: Tensor) -> Tensor:
    """The weights as their integers see them, with the gradient of the identity."""
    integers, scale = quantize_rows(weight)
    shape = (-1,) + (1,) * (weight.dim() - 1)
    return weight + (integers * scale.view(shape) - weight).detach()


class LevelAffine(nn.Module):
    """alpha[level] * acc + beta[level] for each channel, then (optionally) the activation."""

    def __init__(self, levels: int, channels: int, activation: bool = True):
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(levels, channels))
        self.beta = nn.Parameter(torch.zeros(levels, channels))
        self.activation = activation
        self.quantized = False

    def forward(self, acc: Tensor, level: Tensor) -> Tensor:  # [N, C, h, w], [N]
        alpha = interpolate(self.alpha, level)[:, :, None, None]
        beta = interpolate(self.beta, level)[:, :, None, None]
        out = acc.float() * alpha + beta
        return self.activate(out) if self.activation else out

    def activate(self, out: Tensor) -> Tensor:
        v = out * STEPS
        if self.quantized:
            v = round_through(v)
            v = torch.where(v < 0, round_through(v / 4), v)
        else:
            v = F.leaky_relu(v, 0.25)
        return v.clamp(-LIMIT, LIMIT) / STEPS
