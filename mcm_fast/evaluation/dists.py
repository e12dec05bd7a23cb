"""DISTS (Ding et al., IEEE TPAMI 2020) from its standard weights, without torchvision.

    d(a, b) = 1 - sum over taps and channels of (alpha l(a, b) + beta s(a, b))
    l = (2 m_a m_b + c) / (m_a^2 + m_b^2 + c)      s = (2 cov_ab + c) / (var_a + var_b + c)

m, var and cov are over the pixels of one channel, c = 1e-6, alpha and beta sum to 1. Taps are the
image itself and VGG-16's relu1_2, 2_2, 3_3, 4_3 and 5_3, with the maximum of each pooling replaced
by the root of a smoothed square: sqrt(h * x^2 + 1e-12), h = [1 2 1]^T [1 2 1] / 16 at stride 2.

Two files make it: torchvision's VGG-16 ("features.0.weight", ...) and the published "alpha" and
"beta", each (1, 1475, 1, 1). Images are compared at their own size, as codecs are; the authors'
demo shrinks to 256 first, which gives other values.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .lpips import SUFFIXES, load_features, net_of_backbone, read_state, vgg16

_WIDTHS = (3, 64, 128, 256, 512, 512)
_POOLS = (4, 9, 16, 23)  # torchvision's numbers of VGG-16's layers
_TAPS = (3, 8, 15, 22, 29)
_C = 1e-6
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class DISTS(nn.Module):
    """The distance of image pairs: 0 where they are equal; frozen, fp32.

    `folder` holds both files under any name. Raises ValueError for files that do not fit, OSError.
    """

    name = "dists"
    min_side = 16

    def __init__(self, folder: str | os.PathLike):
        super().__init__()
        backbone, weights = _find(Path(folder))
        self.features = vgg16()
        load_features(self.features, backbone, "vgg")
        total = (weights["alpha"].sum() + weights["beta"].sum()).float()
        for key in ("alpha", "beta"):
            self.register_buffer(key, weights[key].float().flatten() / total)
        self.register_buffer("_mean", torch.tensor(_MEAN).view(1, 3, 1, 1))
        self.register_buffer("_std", torch.tensor(_STD).view(1, 3, 1, 1))
        row = torch.tensor([1.0, 2.0, 1.0]) / 4
        self.register_buffer("_smooth", torch.outer(row, row)[None, None])
        self.requires_grad_(False).eval()

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """a, b (N, 3, H, W), pixels in [0, 1] -> distances (N,)."""
        likeness = a.new_zeros(a.shape[0])
        parts = (split.split(_WIDTHS) for split in (self.alpha, self.beta))
        for x, y, alpha, beta in zip(self._taps(a), self._taps(b), *parts, strict=True):
            m_x, m_y = x.mean((2, 3)), y.mean((2, 3))
            var_x, var_y = (t.var((2, 3), correction=0) for t in (x, y))
            cov = (x * y).mean((2, 3)) - m_x * m_y
            luminance = (2 * m_x * m_y + _C) / (m_x.square() + m_y.square() + _C)
            structure = (2 * cov + _C) / (var_x + var_y + _C)
            likeness = likeness + (alpha * luminance + beta * structure).sum(1)
        return 1 - likeness

    def _taps(self, image: Tensor) -> Iterator[Tensor]:
        yield image
        x = (image - self._mean) / self._std
        for number, layer in enumerate(self.features):
            x = self._pool(x) if number in _POOLS else layer(x)
            if number in _TAPS:
                yield x

    def _pool(self, x: Tensor) -> Tensor:
        channels = x.shape[1]
        kernel = self._smooth.expand(channels, -1, -1, -1)
        squares = F.conv2d(x.square(), kernel, stride=2, padding=1, groups=channels)
        return (squares + 1e-12).sqrt()

    def measure(self, a: Tensor, b: Tensor) -> float | None:
        """The distance of two uint8 images (3, H, W). None where they are too small."""
        if min(a.shape[-2:]) < self.min_side:
            return None
        with torch.inference_mode():
            return self(*(t[None].to(self.alpha.device).float() / 255 for t in (a, b))).item()


def _find(folder: Path) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The backbone's state and the state of alpha and beta, of the files in a folder."""
    backbone, weights = None, None
    for path in sorted(p for p in folder.iterdir() if p.suffix in SUFFIXES):
        state = read_state(path)
        if net_of_backbone(state) == "vgg":
            backbone = state
        elif {"alpha", "beta"} <= state.keys():
            weights = state
    if backbone is None or weights is None:
        missing = "VGG-16" if backbone is None else "'alpha' and 'beta'"
        raise ValueError(f"{folder}: DISTS needs VGG-16, and 'alpha' and 'beta': no {missing}")
    if any(weights[key].numel() != sum(_WIDTHS) for key in ("alpha", "beta")):
        shapes = ", ".join(f"{key} {tuple(weights[key].shape)}" for key in ("alpha", "beta"))
        raise ValueError(f"{folder}: {sum(_WIDTHS)} weights of DISTS each wanted, got {shapes}")
    return backbone, weights
