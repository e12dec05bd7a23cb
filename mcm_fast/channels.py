"""Gray and alpha: what an image has beside three colours, taken off and put back."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .gray import luma


class Picture(NamedTuple):
    """An image as the codec takes it."""

    colour: Tensor  # (3, H, W), uint8 or float in [0, 1]
    gray: bool
    alpha: Tensor | None  # uint8 (H, W)


def split(image: Tensor) -> Picture:
    """(C, H, W) with C = 1 gray, 2 gray and alpha, 3 RGB, 4 RGB and alpha."""
    colour, alpha = image, None
    if len(image) in (2, 4):
        colour, alpha = image[:-1], _eight_bits(image[-1])
        colour = smooth(colour, alpha == 0)
    gray = len(colour) == 1
    return Picture(colour.expand(3, -1, -1) if gray else colour, gray, alpha)


def gray_of(image: Tensor) -> Tensor:
    """uint8 (3, H, W) -> uint8 (1, H, W)."""
    return luma(*image.int()).to(torch.uint8)[None]


def smooth(colour: Tensor, hidden: Tensor) -> Tensor:
    """(C, H, W) with what is hidden (bool (H, W)) filled from its surroundings, which costs least.

    Means of ever larger blocks, of the pixels that are seen alone, down to blocks where there is
    one.
    """
    if not bool(hidden.any()):
        return colour
    unit = 255 if colour.dtype == torch.uint8 else 1
    values, weight = colour.float() / unit, (~hidden).float()[None]
    filled = _filled(values * weight, weight)
    out = torch.where(hidden, filled, values)
    if colour.dtype == torch.uint8:
        out = (out * 255).round()
    return torch.where(hidden, out.clamp(0, unit).to(colour.dtype), colour)


def _filled(total: Tensor, weight: Tensor) -> Tensor:
    """Sums (C, h, w) of the seen pixels' values and weights -> values everywhere."""
    own = total / weight.clamp(min=1e-9)
    height, width = weight.shape[1:]
    if height * width == 1 or bool((weight > 0).all()):
        return torch.where(weight > 0, own, 0.5)
    halves = (
        F.avg_pool2d(F.pad(t, (0, width % 2, 0, height % 2))[None], 2)[0] for t in (total, weight)
    )
    coarse = _filled(*halves).repeat_interleave(2, 1).repeat_interleave(2, 2)
    return torch.where(weight > 0, own, coarse[:, :height, :width])


def _eight_bits(alpha: Tensor) -> Tensor:
    if alpha.dtype == torch.uint8:
        return alpha
    return (alpha.float() * 255).round().to(torch.uint8)
