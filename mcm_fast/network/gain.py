"""Gain units: one model for many rates (Guo et al., CLIC 2020)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def interpolate(rows: Tensor, level: Tensor) -> Tensor:
    """Linear interpolation between the rows of [L, C] at fractional levels [N]: [N, C]."""
    low = level.floor().clamp(0, rows.shape[0] - 2).long()
    fraction = (level - low)[:, None]
    return rows[low] * (1 - fraction) + rows[low + 1] * fraction


class GainUnit(nn.Module):
    """A positive gain for each level and channel, interpolated geometrically between levels."""

    def __init__(self, levels: int, channels: int):
        super().__init__()
        self.log_gain = nn.Parameter(torch.zeros(levels, channels))

    def forward(self, x: Tensor, level: Tensor) -> Tensor:  # [N, C, H, W], [N]
        gain = interpolate(self.log_gain.float(), level).exp()
        return x.float() * gain[:, :, None, None]
