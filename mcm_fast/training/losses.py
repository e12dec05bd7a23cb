"""Step 1's loss: lambda (D_mse + alpha D_lpips + beta D_msssim) + R (MCM, section 3)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ..network.model import Network
from .config import Options

STATISTICS = ("samples", "loss", "y_bpp", "z_bpp", "mse")


class Objective(nn.Module):
    """The loss of a network on crops, and what to show of it for each gain level.

    Every sample has its own level and lambda. Its cost is weighted by lambda ** -0.5, so that all
    rates count about the same relatively: cost grows with about the square root of lambda.
    """

    def __init__(self, network: Network, options: Options, amp: bool = False):
        super().__init__()
        self.network, self.amp = network, amp
        self.alpha, self.beta = options.alpha, options.beta
        config = network.config
        self.log_min = math.log(config.lambda_min)
        self.log_range = math.log(config.lambda_max / config.lambda_min)
        self.top = config.levels - 1
        self.perceptual: nn.Module | None = None
        if options.alpha > 0:
            from .lpips import LPIPS

            self.perceptual = LPIPS(options.lpips).requires_grad_(False)

    def forward(self, image: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
        """image (N, 3, H, W) in [0, 1], level (N,) -> the loss, and the statistics (L, 5).

        Row l of the statistics holds sums over the samples nearest to level l, see STATISTICS.
        """
        kind = image.device.type
        with torch.autocast(kind, torch.bfloat16, enabled=self.amp):
            out = self.network(image, level)
        with torch.autocast(kind, enabled=False):
            return self._loss(image, level, out.image.float(), out.y_bits, out.z_bits)

    def _loss(
        self, image: Tensor, level: Tensor, decoded: Tensor, y_bits: Tensor, z_bits: Tensor
    ) -> tuple[Tensor, Tensor]:
        pixels = image.shape[-2] * image.shape[-1]
        mse = (decoded - image).square().mean((1, 2, 3))
        y_bpp, z_bpp = y_bits.float() / pixels, z_bits.float() / pixels
        log_lambda = self.log_min + self.log_range * level / self.top
        cost = log_lambda.exp() * self._distortion(image, decoded, mse) + y_bpp + z_bpp
        weight = (-0.5 * (log_lambda - self.log_min - self.log_range / 2)).exp()
        cost = weight * cost
        rows = torch.arange(self.top + 1, device=level.device)
        nearest = (rows[:, None] == (level + 0.5).floor()[None]).float()
        columns = torch.stack((torch.ones_like(cost), cost, y_bpp, z_bpp, mse), 1)
        return cost.mean(), nearest @ columns.detach()

    def _distortion(self, image: Tensor, decoded: Tensor, mse: Tensor) -> Tensor:
        """(N,): the bracket of the loss."""
        total = mse
        if self.perceptual is not None:
            total = total + self.alpha * self.perceptual(decoded, image).flatten()
        if self.beta > 0:
            from pytorch_msssim import ms_ssim

            similarity = ms_ssim(decoded, image, data_range=1.0, size_average=False)
            total = total + self.beta * (1 - similarity)
        return total
