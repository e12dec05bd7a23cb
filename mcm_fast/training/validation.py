"""The loss on images that are never trained on, by the averaged weights."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..evaluation.metrics import decibels
from ..network.model import Network

_BATCH = 16


class Point(NamedTuple):
    """One level's means over the held-out crops."""

    level: float
    loss: float
    bpp: float
    psnr: float


@torch.no_grad()
def validate(network: Network, images: Tensor, levels: list[float], amp: bool) -> list[Point]:
    """images (n, 3, H, W) in [0, 1]; rates are estimates in eval mode, pixels clamped."""
    was = network.training
    network.eval()
    points = [_point(network, images, level, amp) for level in levels]
    network.train(was)
    return points


def _point(network: Network, images: Tensor, level: float, amp: bool) -> Point:
    rows = []
    pixels = images.shape[-2] * images.shape[-1]
    for part in images.split(_BATCH):
        levels = torch.full((len(part),), float(level), device=part.device)
        with torch.autocast(part.device.type, torch.bfloat16, enabled=amp):
            out = network(part, levels)
        mse = (out.image.float().clamp(0, 1) - part).square().mean((1, 2, 3))
        rows.append(torch.stack(((out.y_bits + out.z_bits).float() / pixels, mse)))
    bpp, mse = torch.cat(rows, 1).double().cpu()
    config = network.config
    lmbda = config.lmbda(level)
    weight = ((config.lambda_min * config.lambda_max) ** 0.5 / lmbda) ** 0.5
    loss = weight * (lmbda * mse + bpp).mean()
    psnr = decibels(mse).mean()
    return Point(level, loss.item(), bpp.mean().item(), psnr.item())
