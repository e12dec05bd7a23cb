"""The multi-channel context model: 8 channel slices, multi-scale masked convolutions (MCM, 3).

For slice k at one position: masked 3x3, 5x5 and 7x7 convolutions of the slice's own decoded
pixels (the pixel itself masked), a 3x3 convolution of the slices before k, and the hyper features
give, through one hidden layer, mu and the index of sigma for the slice's channels. Here all slices
are computed at once, as grouped convolutions over latents that are all known; `exact` decodes them.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import Config
from .hyperprior import _kaiming
from .level_affine import LIMIT, LevelAffine, fake_quantize_rows


def causal_mask(kernel: int) -> Tensor:
    """[k, k]: one where a masked convolution may look: before the centre in raster order."""
    mask = torch.zeros(kernel * kernel)
    mask[: kernel * kernel // 2] = 1
    return mask.view(kernel, kernel)


class MaskedConv(nn.Module):
    """A grouped masked convolution, one group a slice."""

    def __init__(self, config: Config, kernel: int, outputs: int):
        super().__init__()
        self.kernel, self.groups = kernel, config.slices
        taps = kernel * kernel // 2
        weight = torch.randn(config.slices * outputs, config.slice_channels, kernel, kernel)
        weight = weight * (2 / (config.slice_channels * taps)) ** 0.5
        self.weight = nn.Parameter(weight * causal_mask(kernel))
        self.register_buffer("mask", causal_mask(kernel), persistent=False)
        self.affine = LevelAffine(config.levels, config.slices * outputs)

    def forward(self, y: Tensor, level: Tensor, quantized: bool) -> Tensor:
        weight = self.weight * self.mask
        weight = fake_quantize_rows(weight) if quantized else weight
        acc = F.conv2d(y, weight, padding=self.kernel // 2, groups=self.groups)
        return self.affine(acc, level)


class PreviousConv(nn.Module):
    """A 3x3 convolution over the slices before each; one dense convolution, masked by blocks."""

    def __init__(self, config: Config, outputs: int):
        super().__init__()
        channels, slices = config.slice_channels, config.slices
        of_output = torch.arange(slices).repeat_interleave(outputs)
        of_input = torch.arange(slices).repeat_interleave(channels)
        mask = (of_input[None] < of_output[:, None]).float()[:, :, None, None]
        fan_in = 9 * mask.sum(1, keepdim=True).clamp(min=1)
        weight = torch.randn(slices * outputs, config.latent, 3, 3) * (2 / fan_in).sqrt()
        self.weight = nn.Parameter(weight * mask)
        self.register_buffer("mask", mask, persistent=False)
        self.register_buffer("present", (of_output > 0)[:, None, None], persistent=False)
        self.affine = LevelAffine(config.levels, slices * outputs)

    def forward(self, y: Tensor, level: Tensor, quantized: bool) -> Tensor:
        weight = self.weight * self.mask
        weight = fake_quantize_rows(weight) if quantized else weight
        # Slice 0 has none before it: its features are zero, not the activation of beta.
        return self.affine(F.conv2d(y, weight, padding=1), level) * self.present


class MultiChannelContext(nn.Module):
    """y_hat (N, M, h, w) and hyper features (N, F, h, w) -> mu and index, each (N, M, h, w).

    mu is in units of y_hat's step, the index in units of the sigma table's entries; both float.
    """

    def __init__(self, config: Config):
        super().__init__()
        slices, hidden = config.slices, config.hidden
        kernels = zip((3, 5, 7), config.context, strict=True)
        self.masked = nn.ModuleList(MaskedConv(config, k, n) for k, n in kernels)
        self.previous = PreviousConv(config, config.previous)
        features = sum(config.context) + config.previous
        inputs = features + config.hyper_widths[2]
        # Columns of the hidden layer: hyper features, then 3x3, 5x5, 7x7, previous (FORMAT.md, 2).
        self.hidden_weight = _kaiming(slices * hidden, inputs, 1, 1)
        with torch.no_grad():
            self.hidden_weight[:hidden, inputs - config.previous :] = 0
        self.hidden = LevelAffine(config.levels, slices * hidden)
        outputs = 2 * config.latent
        self.head_weight = nn.Parameter(torch.zeros(outputs, hidden, 1, 1))
        self.head = LevelAffine(config.levels, outputs, activation=False)
        self.slices, self.hyper_features = slices, config.hyper_widths[2]
        self.outputs = (*config.context, config.previous)
        self.quantized = False

    def forward(self, y_hat: Tensor, hyper: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
        y = y_hat.clamp(-LIMIT, LIMIT)
        layers = (*self.masked, self.previous)
        features = [layer(y, level, self.quantized) for layer in layers]
        x = self.hidden(self._hidden(features, hyper), level)
        weight = fake_quantize_rows(self.head_weight) if self.quantized else self.head_weight
        out = self.head(F.conv2d(x, weight, groups=self.slices), level)
        out = out.unflatten(1, (self.slices, 2, -1))
        return out[:, :, 0].flatten(1, 2), out[:, :, 1].flatten(1, 2)

    def _hidden(self, features: list[Tensor], hyper: Tensor) -> Tensor:
        """The hidden layer's products: dense over the hyper features, grouped over the rest."""
        weight = fake_quantize_rows(self.hidden_weight) if self.quantized else self.hidden_weight
        columns = [self.hyper_features, weight.shape[1] - self.hyper_features]
        of_hyper, of_context = weight.split(columns, 1)
        per_slice = [f.unflatten(1, (self.slices, -1)) for f in features]
        grouped = torch.cat(per_slice, 2).flatten(1, 2)
        return F.conv2d(hyper, of_hyper) + F.conv2d(grouped, of_context, groups=self.slices)
