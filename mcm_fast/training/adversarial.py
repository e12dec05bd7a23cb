"""Step 2's D_gan: a conditional patch discriminator (HiFiC: Mentzer et al., NeurIPS 2020, A.6).

The discriminator sees an image beside its decoded latents, upsampled, and judges every patch:
D = sigmoid(logit) says how likely the patch is of an original. With the non-saturating losses

    D_gan = mean of -log D(decoded, latents)
    the discriminator's own = mean of -log D(original, latents) - log(1 - D(decoded, latents))

no gradient reaches the latents through their place as a condition.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from .distributed import World, average

_CONDITION = 12  # channels that the latents become
_SLOPE = 0.2


class Discriminator(nn.Module):
    """image (N, 3, H, W) and latents (N, M, H/16, W/16) -> logits (N, 1, about H/8, about W/8).

    In fp32 even under autocast: spectral norms do not stand half precision.
    """

    def __init__(self, latent: int, width: int = 64):
        super().__init__()
        self.condition = spectral_norm(nn.Conv2d(latent, _CONDITION, 3, padding=1))
        widths = [3 + _CONDITION, width, 2 * width, 4 * width, 8 * width]
        convs = [
            spectral_norm(nn.Conv2d(a, b, 4, stride, padding=1))
            for a, b, stride in zip(widths, widths[1:], (2, 2, 2, 1), strict=False)
        ]
        self.convs = nn.ModuleList(convs)
        self.judge = spectral_norm(nn.Conv2d(widths[-1], 1, 1))

    def forward(self, image: Tensor, latents: Tensor) -> Tensor:
        with torch.autocast(image.device.type, enabled=False):
            condition = F.leaky_relu(self.condition(latents.float()), _SLOPE)
            condition = F.interpolate(condition, size=image.shape[-2:], mode="nearest")
            x = torch.cat((2 * image.float() - 1, condition), 1)
            for conv in self.convs:
                x = F.leaky_relu(conv(x), _SLOPE)
            return self.judge(x)


def generator_loss(logits: Tensor) -> Tensor:
    """D_gan of each sample (N,)."""
    return F.softplus(-logits).mean((1, 2, 3))


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    return F.softplus(-real).mean() + F.softplus(fake).mean()


class Rival:
    """The discriminator's own step, after each step of the network; nothing is read back."""

    def __init__(
        self,
        discriminator: Discriminator,
        optimizer: torch.optim.Optimizer,
        world: World,
    ):
        self.discriminator, self.optimizer = discriminator, optimizer
        self.world = world
        self.parameters = list(discriminator.parameters())
        discriminator.requires_grad_(False)  # but for its own step

    def step(self, image: Tensor, decoded: Tensor, latents: Tensor, bad: Tensor) -> Tensor:
        """One step on originals and decoded images; skipped where `bad`; returns its loss."""
        self.discriminator.requires_grad_(True)
        self.optimizer.zero_grad(set_to_none=True)
        pairs = torch.cat((image, decoded)), torch.cat((latents, latents))
        real, fake = self.discriminator(*pairs).chunk(2)
        loss = discriminator_loss(real, fake)
        loss.backward()
        gradients = [p.grad for p in self.parameters]
        average(gradients, self.world)
        norm = nn.utils.get_total_norm(gradients)
        self.optimizer.grad_scale = torch.ones_like(norm)
        self.optimizer.found_inf = (bad | ~torch.isfinite(norm)).float()
        self.optimizer.step()
        self.discriminator.requires_grad_(False)
        return loss.detach()
