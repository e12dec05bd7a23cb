"""Where the search begins: latents before they were rounded, of an image that is coarser where it
counts less.

Pixels that count a tenth ought to look about as they do at the quality whose lambda is a tenth.
Gradient steps alone take their bits away too slowly, and coarser latents on the scale of the finer
ones cost more than they should. So where the map of importance is below 1, the analysis sees the
image as it is decoded at the lower quality, which few latents say (docs/effort.md).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from ..latents import Latents
from ..network.config import Config
from ..transforms import run as transforms

if TYPE_CHECKING:
    from ..codec import Codec

_BLUR = 33  # pixels: two latents of y, over which the map is smoothed


@torch.no_grad()
def start(
    codec: Codec, image: Tensor, latents: Latents, weights: Tensor | None, level: float
) -> tuple[Tensor, Tensor]:
    """y and z before they were rounded, (1, channels, h, w).

    Args:
        image: (3, H, W), uint8 or float in [0, 1].
        latents: of the image. Those that the analysis does not round to begin as they are, but
            where a weight below 1 makes the image coarser: then none of them is looked at.
        weights: importance as the image is coded (so perhaps transposed), float; None is 1.
        level: of the latents, 0 .. levels - 1.
    """
    if weights is not None and weights.min() < 1:
        weights = weights.transpose(0, 1) if latents.transposed else weights
        coarse = _coarser(codec, image, levels_of(codec.network.config, weights, level), level)
        return _before_rounding(codec, coarse, latents.transposed, level)
    found = _before_rounding(codec, image, latents.transposed, level)
    given = latents.y[None].to(found[0]), latents.z[None].to(found[1])
    y, z = (torch.where((t + 0.5).floor() == w, t, w) for t, w in zip(found, given, strict=True))
    return y, z


def _before_rounding(
    codec: Codec, image: Tensor, transposed: bool, level: float
) -> tuple[Tensor, Tensor]:
    network = codec.network
    at = torch.full((1,), level, dtype=torch.float32, device=codec.device)
    features = transforms.analysis(network, image, transposed, codec.tile_pixels, codec.device)
    y = network.gain(features.clone(), at)
    return y, network.hyper_gain(network.hyper_analysis(y), at)


def levels_of(config: Config, weights: Tensor, level: float) -> Tensor:
    """The level whose lambda is `level`'s times a pixel's weight, 0 .. `level`: float, the shape
    (H, W) of the weights. Smooth, and nowhere below that of the pixel itself."""
    step = math.log(config.lambda_max / config.lambda_min) / (config.levels - 1)
    own = level + weights.clamp(min=1e-9).log() / step
    own = own.clamp(0, level)[None, None]
    wide = F.max_pool2d(own, _BLUR, 1, _BLUR // 2)
    return F.avg_pool2d(wide, _BLUR, 1, _BLUR // 2, count_include_pad=False)[0, 0]


def _coarser(codec: Codec, image: Tensor, own: Tensor, level: float) -> Tensor:
    """The image (3, H, W) as decoded at each pixel's own level, (H, W): a mixture of its pictures
    at the whole levels beside that, and of itself at `level`. Floats in [0, 1]."""
    image = image.float() / 255 if image.dtype == torch.uint8 else image
    knots = [float(k) for k in range(math.ceil(level))] + [level]
    coarse = torch.zeros_like(image)
    for n, knot in enumerate(knots):
        share = torch.ones_like(own)
        if n > 0:
            share = ((own - knots[n - 1]) / (knot - knots[n - 1])).clamp(0, 1)
        if n + 1 < len(knots):
            share = share - ((own - knot) / (knots[n + 1] - knot)).clamp(0, 1)
        if share.max() > 0:
            coarse += share * (image if knot == level else _decoded(codec, image, knot))
    return coarse.clamp_(0, 1)


def _decoded(codec: Codec, image: Tensor, level: float) -> Tensor:
    """The image's picture at a level, float (3, H, W) in [0, 1]."""
    quality = 100 * level / (codec.network.config.levels - 1)
    return codec.synthesis(codec.analysis(image, quality), exact=False).float() / 255
