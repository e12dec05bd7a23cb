"""The loss: lambda (D_mse + alpha D_lpips + beta D_msssim + gan D_gan) + R (MCM, section 3).

Besides it, where asked for, a price on latents that change when the decoded image is coded again.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..network.level_affine import round_through
from ..network.model import Network, Output
from .adversarial import Discriminator, generator_loss
from .config import Options

STATISTICS = ("samples", "loss", "y_bpp", "z_bpp", "mse", "lpips", "gan", "inverse")

_AGAIN = 4  # one sample in so many is analysed again
_FREE = 0.25  # of a step of the quantiser: a latent may move so far, and is still rounded back


class Outcome(NamedTuple):
    loss: Tensor  # ()
    statistics: Tensor  # (L, len(STATISTICS)): row l sums over the samples nearest to level l
    decoded: Tensor  # (N, 3, H, W), without a gradient
    latents: Tensor | None  # (N, M, H/16, W/16): what the synthesis saw, for a discriminator


class Objective(nn.Module):
    """The loss of a network on crops, and what to show of it for each gain level.

    Every sample has its own level and lambda. Its cost is weighted by lambda ** -0.5, so that all
    rates count about the same relatively: cost grows with about the square root of lambda.
    `structural` is whether MS-SSIM counts: its slope is infinite where two crops have nothing in
    common, so it waits until warm-up is over.
    """

    def __init__(
        self,
        network: Network,
        options: Options,
        amp: bool = False,
        discriminator: Discriminator | None = None,
    ):
        super().__init__()
        self.network, self.amp, self.discriminator = network, amp, discriminator
        self.alpha, self.beta, self.gan = options.alpha, options.beta, options.gan
        self.inverse, self.ends_weight = options.inverse, options.ends_weight
        self.cap = options.cap
        self.structural = False
        config = network.config
        self.log_min = math.log(config.lambda_min)
        self.log_range = math.log(config.lambda_max / config.lambda_min)
        self.top = config.levels - 1
        self.perceptual: nn.Module | None = None
        if options.alpha > 0:
            from ..evaluation.lpips import LPIPS

            self.perceptual = LPIPS(options.lpips)
        self._latents: Tensor | None = None
        if discriminator is not None:
            network.synthesis.register_forward_pre_hook(self._keep)

    def _keep(self, module: nn.Module, inputs: tuple[Tensor, Tensor]) -> None:
        self._latents = inputs[0].detach()

    def forward(self, image: Tensor, level: Tensor) -> Outcome:
        """image (N, 3, H, W) in [0, 1], level (N,)."""
        kind = image.device.type
        with torch.autocast(kind, torch.bfloat16, enabled=self.amp):
            out = self.network(image, level)
            logits, latents = None, None
            if self.discriminator is not None:
                latents, self._latents = self._latents, None
                logits = self.discriminator(out.image, latents)
            moved = self._moved(out, level) if self.inverse > 0 else torch.zeros_like(level)
        with torch.autocast(kind, enabled=False):
            decoded = out.image.float()
            parts = self._distortions(image, decoded, logits)
            loss, statistics = self._loss(image, level, parts, (out.y_bits, out.z_bits, moved))
        return Outcome(loss, statistics, decoded.detach(), latents)

    def _moved(self, out: Output, level: Tensor) -> Tensor:
        """How far latents move when the decoded image, in 8 bits, is analysed again: (N,).

        For the quarter of the samples at the highest levels, where generations lose most; zero for
        the others. It is the mean of max(0, |y - y_hat| - 1/4)^2.
        """
        chosen = level.argsort()[-max(1, len(level) // _AGAIN) :]
        shown = round_through(out.image[chosen].float().clamp(0, 1) * 255) / 255
        again = self.network.gain(self.network.analysis(shown), level[chosen])
        excess = ((again - out.y_hat[chosen].detach()).abs() - _FREE).clamp(min=0)
        moved = excess.square().mean((1, 2, 3))
        return torch.zeros_like(level).index_copy(0, chosen, moved)

    def _distortions(
        self, image: Tensor, decoded: Tensor, logits: Tensor | None
    ) -> dict[str, Tensor]:
        """The parts of the bracket that count, each (N,)."""
        parts = {"mse": (decoded - image).square().mean((1, 2, 3))}
        if self.perceptual is not None:
            parts["lpips"] = self.perceptual(decoded, image)
        if self.structural:
            from pytorch_msssim import ms_ssim

            parts["msssim"] = 1 - ms_ssim(decoded, image, data_range=1.0, size_average=False)
        if logits is not None:
            parts["gan"] = generator_loss(logits)
        return parts

    def _loss(
        self,
        image: Tensor,
        level: Tensor,
        parts: dict[str, Tensor],
        others: tuple[Tensor, Tensor, Tensor],
    ) -> tuple[Tensor, Tensor]:
        """`others`: bits of y, bits of z, and what `_moved` gives, each (N,)."""
        y_bits, z_bits, moved = others
        weights = {"mse": 1.0, "lpips": self.alpha, "msssim": self.beta, "gan": self.gan}
        bracket = sum(weights[name] * part for name, part in parts.items())
        pixels = image.shape[-2] * image.shape[-1]
        y_bpp, z_bpp = y_bits.float() / pixels, z_bits.float() / pixels
        log_lambda = self.log_min + self.log_range * level / self.top
        cost = log_lambda.exp() * bracket + y_bpp + z_bpp
        cost = (-0.5 * (log_lambda - self.log_min - self.log_range / 2)).exp() * cost
        if self.cap > 0:
            cost = torch.where(cost > self.cap, self.cap * (1 + (cost / self.cap).log()), cost)
        cost = cost * (1 + self.ends_weight * (2 * level / self.top - 1) ** 2)
        cost = cost + self.inverse * moved
        rows = torch.arange(self.top + 1, device=level.device)
        nearest = (rows[:, None] == (level + 0.5).floor()[None]).float()
        zero = torch.zeros_like(cost)
        parts = parts | {"inverse": moved}
        shown = (cost, y_bpp, z_bpp, *(parts.get(n, zero) for n in STATISTICS[4:]))
        columns = torch.stack((torch.ones_like(cost), *shown), 1)
        return cost.mean(), nearest @ columns.detach()
