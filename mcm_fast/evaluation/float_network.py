"""The network without its integers: rates are estimates, -log2 of probability.

mu and sigma are continuous, latents rounded, nothing is written: no table, no coder. Compare the
codec's curve with `in_container`: the estimate and what the codec's own stream of that image and
quality has beyond its ideal code length (header, states of the lanes, checksum; some 50 bytes). The
difference is what the integers cost.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from ..network.model import Network
from .bd_rate import Curve
from .lpips import LPIPS
from .measure import Result, Row, about, distortion, each, means, rate

if TYPE_CHECKING:
    import mcm_fast


@torch.inference_mode()
def evaluate_float(
    network: Network,
    folder: str | os.PathLike,
    qualities: Sequence[float],
    lpips: LPIPS | None = None,
    label: str = "float network",
    step: Callable[[], None] = lambda: None,
    codec: mcm_fast.Codec | None = None,
) -> Result:
    """The network at gain levels evenly spread over qualities 0 .. 100, measured as by `evaluate`.

    An image is padded by replication to multiples of 64; the padding's bits count, its pixels do
    not. With a codec, each row has "container": what its stream has beyond its ideal code length,
    in bytes. The network is left as it was found. Raises as `evaluate`.
    """
    last = network.config.levels - 1
    device = next(network.parameters()).device

    def measure(image: Tensor, quality: float) -> Row:
        level = torch.tensor([quality * last / 100], device=device)
        decoded, bits = _forward(network, image, level)
        row = rate(bits / 8, image) | distortion(image, decoded, lpips)
        return row if codec is None else row | {"container": _container(codec, image, quality)}

    was_training, was_quantized = network.training, network.context.quantized
    network.eval()
    network.quantize(False)
    try:
        rows = each(folder, qualities, measure, step)
    finally:
        network.train(was_training)
        network.quantize(was_quantized)
    return Result(label, rows, means(rows), {}, about(folder, rows, device))


def in_container(estimate: Result) -> Curve:
    """The means of an estimate made with a codec, with each image's container added to it."""
    return means(
        [
            row
            | {"bytes": row["bytes"] + row["container"]}
            | {"bpp": 8 * (row["bytes"] + row["container"]) / (row["width"] * row["height"])}
            for row in estimate.rows
        ]
    )


def _container(codec: mcm_fast.Codec, image: Tensor, quality: float) -> float:
    """Bytes of a stream beyond the ideal length of its latents."""
    latents = codec.analysis(image, quality)
    return len(codec.encode(latents)) - codec.ideal_bits(latents) / 8


def _forward(network: Network, image: Tensor, level: Tensor) -> tuple[Tensor, float]:
    """A uint8 image (3, H, W) and a level (1,) -> its uint8 reconstruction and estimated bits.

    A portrait is transposed, as the codec does it.
    """
    height, width = image.shape[1:]
    if height > width:
        decoded, bits = _forward(network, image.transpose(1, 2), level)
        return decoded.transpose(1, 2), bits
    pixels = image.to(level.device)[None].float() / 255
    pixels = F.pad(pixels, (0, -width % 64, 0, -height % 64), mode="replicate")
    out = network(pixels, level)
    decoded = (out.image[0, :, :height, :width].float() * 255).round().clamp(0, 255)
    return decoded.to(torch.uint8).cpu(), (out.y_bits + out.z_bits).item()
