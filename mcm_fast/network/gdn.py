"""Generalized divisive normalization (Balle et al., ICLR 2016), and its inverse."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class GDN(nn.Module):
    """x_i / sqrt(beta_i + sum_j gamma_ij x_j^2); the inverse multiplies instead.

    The norm is computed in fp32 whatever the input: half precision overflows in the squares.
    """

    def __init__(self, channels: int, inverse: bool = False, gamma: float = 1e-3):
        super().__init__()
        self.inverse = inverse
        # Squares keep both non-negative; sqrt parametrisation as in the paper's reference code.
        self.beta = nn.Parameter(torch.ones(channels))
        self.gamma = nn.Parameter(torch.full((channels, channels), (gamma / channels) ** 0.5))
        with torch.no_grad():
            self.gamma += torch.eye(channels) * (gamma**0.5 - (gamma / channels) ** 0.5)

    def effective(self) -> tuple[Tensor, Tensor]:
        """gamma [C outputs, C inputs] and beta [C] of the formula, fp32."""
        return self.gamma.float() ** 2, self.beta.float() ** 2 + 1e-6

    def forward(self, x: Tensor) -> Tensor:  # [N, C, H, W]
        with torch.autocast(x.device.type, enabled=False):
            gamma, beta = self.effective()
            norm = F.conv2d(x.float() ** 2, gamma[:, :, None, None], beta)
            scale = (norm.sqrt_() if self.inverse else norm.rsqrt_()).to(x.dtype)
        return x * scale if scale.requires_grad else scale.mul_(x)
