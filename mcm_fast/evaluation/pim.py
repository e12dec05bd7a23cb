"""PIM (Bhardwaj et al., NeurIPS 2020), the perceptual information metric, from its own weights.

An image goes through a steerable pyramid (Simoncelli and Freeman, 1995; its filters come from the
package pyrtools), each level through four 5x5 convolutions, and an encoder turns each position's
three features into a distribution of z: unit normals around means, mixed where there are several.

    PIM-1: mean over levels of the mean of (mu_a - mu_b)^2
    PIM-5: KL(a, b) + KL(b, a), estimated from samples of z; mean over positions, then over levels

The weights are the published ones of google-research/perceptual-quality: a folder with
`config.json` and a TensorFlow checkpoint `weights`. Level 0 is the low-pass residual.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .metrics import need
from .tf_checkpoint import read_checkpoint

_SAMPLES = 16  # of z for each position
_FIXED = {"multiscale": "Steerable", "cnn": "Conv", "padding": "same"}
_USED = (
    *("steerable_filter_type", "nscales", "num_filters", "num_distribution_encoder_layers"),
    *("num_marginal_encoder_mixtures", "z_dim"),
)
_SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"


class PIM(nn.Module):
    """The distance of image pairs; frozen, fp32. `folder` is the published one.

    Raises ValueError for a folder that is not, ImportError where pyrtools is missing, OSError.
    """

    min_side = 64  # the third scale keeps 8 positions a side

    def __init__(self, folder: str | os.PathLike):
        super().__init__()
        folder = Path(folder)
        config = _config(folder / "config.json")
        self.mixtures, self.depth = config["num_marginal_encoder_mixtures"], config["z_dim"]
        self.name = f"pim_{self.mixtures}"
        self.pyramid = SteerablePyramid(config["steerable_filter_type"], config["nscales"])
        tensors = read_checkpoint(folder / "weights")
        levels = range(self.pyramid.levels)
        self.cnns = nn.ModuleList(_cnn(tensors, i, config["num_filters"]) for i in levels)
        encoder = "marginal_encoder/encoders/{}/"
        layers = config["num_distribution_encoder_layers"]
        self.means = nn.ModuleList(
            _dense(tensors, encoder.format(i), [f"base/{n}" for n in range(layers)]) for i in levels
        )
        width = self.means[0][-1].out_features
        if width != self.mixtures * self.depth:
            raise ValueError(f"{folder}: {width} means are not {self.mixtures} x {self.depth}")
        mix = [*(f"mix/{n}" for n in range(layers)), "logit_layer"]
        self.logits = nn.ModuleList(
            _dense(tensors, encoder.format(i), mix) for i in levels if self.mixtures > 1
        )
        self.requires_grad_(False).eval()

    def forward(self, a: Tensor, b: Tensor, seed: int = 0) -> Tensor:
        """a, b (N, 3, H, W), pixels in [0, 1] -> distances (N,). `seed` of the samples of z."""
        generator = torch.Generator(a.device).manual_seed(seed)
        features = ([c(x) for c, x in zip(self.cnns, self.pyramid(t), strict=True)] for t in (a, b))
        distances = [
            self._distance(level, x, y, generator)
            for level, (x, y) in enumerate(zip(*features, strict=True))
        ]
        return torch.stack(distances).mean(0)

    def _distance(self, level: int, a: Tensor, b: Tensor, generator: torch.Generator) -> Tensor:
        """Features (N, 3, h, w) of one level -> distances (N,)."""
        a, b = (t.permute(0, 2, 3, 1) for t in (a, b))
        mu_a, mu_b = self._mu(level, a), self._mu(level, b)
        if self.mixtures == 1:
            return (mu_a - mu_b).square().mean((1, 2, 3, 4))
        p, q = ((mu, self.logits[level](t)) for mu, t in ((mu_a, a), (mu_b, b)))
        return _divergence(p, q, generator) + _divergence(q, p, generator)

    def _mu(self, level: int, features: Tensor) -> Tensor:
        """(N, h, w, 3) -> (N, h, w, mixtures, depth). A ReLU comes last, as published."""
        return F.relu(self.means[level](features)).unflatten(-1, (self.mixtures, self.depth))

    def measure(self, a: Tensor, b: Tensor) -> float | None:
        """The distance of two uint8 images (3, H, W). None where they are too small."""
        if min(a.shape[-2:]) < self.min_side:
            return None
        device = next(self.parameters()).device
        with torch.inference_mode():
            return self(*(t[None].to(device).float() / 255 for t in (a, b))).item()


def _divergence(
    p: tuple[Tensor, Tensor], q: tuple[Tensor, Tensor], generator: torch.Generator
) -> Tensor:
    """KL(p, q) of mixtures (means, logits), from samples of p: means over positions, (N,)."""
    mu, logits = p
    choice = torch.multinomial(
        logits.softmax(-1).flatten(0, -2), _SAMPLES, replacement=True, generator=generator
    ).view(*logits.shape[:-1], _SAMPLES)
    z = mu.gather(-2, choice[..., None].expand(*choice.shape, mu.shape[-1]))
    z = z + torch.randn(z.shape, generator=generator, device=z.device)
    return (_log_density(z, *p) - _log_density(z, *q)).mean((1, 2, 3))


def _log_density(z: Tensor, mu: Tensor, logits: Tensor) -> Tensor:
    """log p(z) up to the normals' constant: z (..., samples, depth) -> (..., samples)."""
    squares = torch.cdist(z, mu, compute_mode="donot_use_mm_for_euclid_dist").square()
    return (logits.log_softmax(-1)[..., None, :] - squares / 2).logsumexp(-1)


class SteerablePyramid(nn.Module):
    """The pyramid of one filter set: its levels from the low-pass residual to the high-pass one."""

    def __init__(self, filters: int, scales: int):
        super().__init__()
        sets = need("pyrtools", "metrics").steerable_filters(f"sp{filters}_filters")
        bands = sets["bfilts"]
        side = round(bands.shape[0] ** 0.5)
        self.scales, self.levels = scales, scales * bands.shape[1] + 2
        kernels = {key: sets[f"{key}filt"] for key in ("lo0", "hi0", "lo")}
        kernels |= {f"band{i}": bands[:, i].reshape(side, side).T for i in range(bands.shape[1])}
        for key, kernel in kernels.items():
            self.register_buffer(key, torch.from_numpy(np.ascontiguousarray(kernel)).float())
        self._bands = [f"band{i}" for i in range(bands.shape[1])]

    def forward(self, image: Tensor) -> list[Tensor]:
        """(N, 3, H, W) -> levels (N, 3, h, w)."""
        levels, low = [self._filter(image, "hi0")], self._filter(image, "lo0")
        for _ in range(self.scales):
            levels += [self._filter(low, band) for band in self._bands]
            low = self._filter(low, "lo", stride=2)
        return [*levels, low][::-1]

    def _filter(self, x: Tensor, name: str, stride: int = 1) -> Tensor:
        kernel = getattr(self, name)
        weight = kernel.expand(x.shape[1], 1, -1, -1)
        return F.conv2d(x, weight, stride=stride, padding=kernel.shape[0] // 2, groups=x.shape[1])


def _config(path: Path) -> dict[str, object]:
    try:
        config = json.loads(path.read_text())
        used = {key: config[key] for key in _USED}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: not a configuration of PIM ({error})") from error
    fixed = {key: config.get(key) for key in _FIXED}
    if fixed != _FIXED:
        raise ValueError(f"{path}: {fixed} is not PIM as published, {_FIXED}")
    return used


def _cnn(tensors: Mapping[str, np.ndarray], level: int, filters: Sequence[int]) -> nn.Sequential:
    """Level's convolutions. Keras numbers a Sequential's layers as `layer-N` or with weights."""
    pattern = re.compile(rf"frontend/cnns/{level}/layer(_with_weights)?-(\d+)/kernel{_SUFFIX}$")
    names = {int(m[2]): m[0] for m in map(pattern.match, sorted(tensors)) if m}
    layers: list[nn.Module] = []
    inputs = 3
    for number, width in zip(sorted(names), filters, strict=False):
        kernel = tensors[names[number]]
        layers += [nn.Conv2d(inputs, width, kernel.shape[0], padding=kernel.shape[0] // 2)]
        bias = tensors[names[number].replace("/kernel/", "/bias/")]
        _fill(layers[-1], kernel.transpose(3, 2, 0, 1), bias, names[number])
        layers.append(nn.ReLU())
        inputs = width
    if len(names) != len(filters):
        raise ValueError(f"PIM's level {level} has {len(names)} convolutions, not {len(filters)}")
    return nn.Sequential(*layers[:-1])


def _dense(tensors: Mapping[str, np.ndarray], prefix: str, names: Sequence[str]) -> nn.Sequential:
    """Layers with a ReLU after each but the last."""
    layers: list[nn.Module] = []
    for name in names:
        key = f"{prefix}{name}/kernel{_SUFFIX}"
        if key not in tensors:
            raise ValueError(f"PIM's weights have no {key}")
        kernel = tensors[key]
        layers += [nn.Linear(*kernel.shape), nn.ReLU()]
        _fill(layers[-2], kernel.T, tensors[f"{prefix}{name}/bias{_SUFFIX}"], key)
    return nn.Sequential(*layers[:-1])


def _fill(layer: nn.Conv2d | nn.Linear, kernel: np.ndarray, bias: np.ndarray, name: str) -> None:
    if kernel.shape != tuple(layer.weight.shape):
        raise ValueError(f"{name}: {kernel.shape} is not {tuple(layer.weight.shape)}")
    layer.weight.data = torch.from_numpy(np.ascontiguousarray(kernel))
    layer.bias.data = torch.from_numpy(bias)
