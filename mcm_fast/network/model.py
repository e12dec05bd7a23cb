"""The whole network: what training sees, and the two transforms the codec uses."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from . import distribution
from .config import Config
from .context import MultiChannelContext
from .gain import GainUnit
from .hyperprior import FactorizedPrior, HyperAnalysis, HyperSynthesis
from .level_affine import LevelAffine, round_through
from .transforms import Analysis, Synthesis


class Output(NamedTuple):
    image: Tensor  # (N, 3, H, W), not clamped
    y_bits: Tensor  # (N,)
    z_bits: Tensor  # (N,)
    y_hat: Tensor  # (N, M, H/16, W/16), whole


class Coded(NamedTuple):
    """Tensors (N, channels, h, w), and bits (N,)."""

    y_hat: Tensor
    mu: Tensor
    index: Tensor
    hyper: Tensor
    y_bits: Tensor
    z_bits: Tensor


def _noisy(x: Tensor) -> Tensor:
    return x + torch.rand_like(x) - 0.5


class Network(nn.Module):
    """Multi-channel context model for generative image compression (CLIC 2021)."""

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.analysis = Analysis(config)
        self.synthesis = Synthesis(config)
        self.gain = GainUnit(config.levels, config.latent)
        self.inverse_gain = GainUnit(config.levels, config.latent)
        self.hyper_analysis = HyperAnalysis(config)
        self.hyper_gain = GainUnit(config.levels, config.hyper_latent)
        self.hyper_synthesis = HyperSynthesis(config)
        self.prior = FactorizedPrior(config.levels, config.hyper_latent)
        self.context = MultiChannelContext(config)
        self.hard = False

    def forward(self, image: Tensor, level: Tensor) -> Output:
        """image (N, 3, H, W) in [0, 1], sides multiples of 64; level (N,) in 0 .. levels - 1."""
        coded = self.entropy(self.analysis(image), level)
        mu, index = coded.mu.detach(), coded.index.detach()
        decoded = self.render(coded.y_hat, mu, index, coded.hyper, level)
        return Output(decoded, coded.y_bits, coded.z_bits, coded.y_hat)

    def entropy(self, features: Tensor, level: Tensor) -> Coded:
        """What `analysis` made of an image -> its latents, their distributions and their cost.

        What goes where: the context model, the hyper-synthesis and the synthesis see rounded
        latents, straight through, because that is what they see in use. The rate sees latents
        with uniform noise, a smooth surrogate, until the last phase (`hard`): then it sees y
        rounded. ("Soft then hard", Guo et al., ICML 2021: noise charges a latent that is always
        zero for the edges of its bin, and is paid off by latents just past an edge.) z keeps its
        noise: rounded, it feels no price within its bin, drifts over the edges, and in a long run
        doubles its bits (docs/log/training.md, 2026-11-27).
        """
        y = self.gain(features, level)
        z = self.hyper_gain(self.hyper_analysis(y), level)
        y_hat, z_hat = round_through(y), round_through(z.float())
        with torch.autocast(features.device.type, enabled=False):  # it will be integers: no bf16
            hyper = self.hyper_synthesis(z_hat, level)
            mu, index = self.distributions(y_hat, hyper, level)
        y_rated, z_rated = y_hat, z_hat
        if self.training:
            z_rated = _noisy(z)
            y_rated = y_hat if self.hard else _noisy(y)
        y_bits = distribution.bits(y_rated, mu, index).sum((1, 2, 3))
        z_bits = self.prior.bits(z_rated, level).sum((1, 2, 3))
        return Coded(y_hat, mu, index, hyper, y_bits, z_bits)

    def distributions(self, y_hat: Tensor, hyper: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
        """mu and index of every latent (N, M, h, w), rounded as in use while quantised."""
        mu, index = self.context(y_hat, hyper, level)
        if self.context.quantized:
            mu, index = distribution.fake_quantize(mu, index)
        return mu, index

    def latents(self, features: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
        """What `analysis` made of an image -> y and z, rounded (whole floats)."""
        y = self.gain(features, level)
        z = self.hyper_gain(self.hyper_analysis(y), level)
        return (y + 0.5).floor(), (z + 0.5).floor()

    def render(
        self,
        y_hat: Tensor,
        mu: Tensor,
        index: Tensor,
        hyper: Tensor,
        level: Tensor,
        synthesis: Callable[[Tensor, Tensor], Tensor] | None = None,
    ) -> Tensor:
        """Decoded latents, their distributions and the hyper features -> image.

        `synthesis`: another rendering than the network's own.
        """
        y = distribution.conditional_mean(y_hat, mu, index)
        return (synthesis or self.synthesis)(self.inverse_gain(y, level), hyper)

    @torch.no_grad()
    def randomize(self) -> Network:
        """Make every part of an untrained network matter: latents, mu and indexes spread out."""
        self.gain.log_gain += torch.linspace(1.0, 4.0, self.config.levels)[:, None]
        self.inverse_gain.log_gain -= torch.linspace(1.0, 4.0, self.config.levels)[:, None]
        self.hyper_gain.log_gain += 1.0
        self.context.head_weight.normal_(0, 0.1)
        rows = self.context.head.beta.unflatten(1, (self.config.slices, 2, -1))
        rows[:, :, 1] = distribution.index_of(1.0) + 7 * torch.randn_like(rows[:, :, 1])
        return self

    def quantize(self, quantized: bool = True, part: nn.Module | None = None) -> None:
        """Turn the last phase of training on or off: everything is rounded as it is in use, or one
        part of the network only."""
        if part is None:
            self.hard = quantized
        for module in (part or self).modules():
            if isinstance(module, LevelAffine | HyperSynthesis | MultiChannelContext):
                module.quantized = quantized
