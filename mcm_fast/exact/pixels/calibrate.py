"""How large the values in each tensor of a list get, on sample images."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from ...limits import QUALITY_STEPS
from ...network import distribution
from ...network.model import Network
from ..engine import Engine, Parameters
from .trace import FloatLayer, sees_y_alone, tensors_of

QUALITIES = (0, 2500, 5000, 7500, 9000, 10000)  # hundredths


class Sample(NamedTuple):
    """An image's latents at a quality in hundredths, and what the entropy model says of them."""

    y: Tensor
    parameters: Parameters
    quality: int


class Range(NamedTuple):
    """The least and the largest value of each channel, fp64 [C]."""

    low: Tensor
    high: Tensor


@torch.inference_mode()
def samples_of(network: Network, engine: Engine, images: Iterable[Tensor]) -> list[Sample]:
    """Each image, uint8 (3, H, W) with sides that are multiples of 64, at each of QUALITIES."""
    samples = []
    for image in images:
        features = network.analysis(image[None].float() / 255)
        for quality in QUALITIES:
            y, z = (t[0].short() for t in network.latents(features, _level(network, quality)))
            samples.append(Sample(y, engine.parameters(y, z, quality), quality))
    return samples


@torch.inference_mode()
def latents_in(network: Network, sample: Sample) -> Tensor:
    """Tensor 0 of a list before it is quantised: fp32 [1, M + F, h, w]."""
    y, found = sample.y[None].float(), sample.parameters
    mean = distribution.conditional_mean(y, found.mu[None] / 16, found.indexes[None].float())
    mean = network.inverse_gain(mean, _level(network, sample.quality))
    return torch.cat((mean, found.hyper[None] / 16), 1)


@torch.inference_mode()
def y_in(network: Network, sample: Sample) -> Tensor:
    """Tensor 0 of a preview's list before it is quantised: fp32 [1, M, h, w]."""
    return network.inverse_gain(sample.y[None].float(), _level(network, sample.quality))


@torch.inference_mode()
def ranges(network: Network, layers: list[FloatLayer], samples: list[Sample]) -> list[Range]:
    """Of each tensor of the list, over all samples."""
    found: list[Range] = []
    inputs = y_in if sees_y_alone(network, layers) else latents_in
    for sample in samples:
        latents = inputs(network, sample)
        tensors = [latents, *tensors_of(layers, latents)]
        now = [Range(t.amin((0, 2, 3)).double(), t.amax((0, 2, 3)).double()) for t in tensors]
        found = [_both(*pair) for pair in zip(found, now, strict=True)] if found else now
    return found


def _both(a: Range, b: Range) -> Range:
    return Range(torch.minimum(a.low, b.low), torch.maximum(a.high, b.high))


def _level(network: Network, quality: int) -> Tensor:
    return torch.full((1,), quality * (network.config.levels - 1) / QUALITY_STEPS)
