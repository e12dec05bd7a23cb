"""The tables of a rendering: the sigmoid, powers of two, the conditional mean, the gains."""

from __future__ import annotations

import math

import numpy as np
import torch

from ...network import distribution
from ...network.gain import GainUnit
from .layers import EXP2_BITS, MEAN_BITS, MOST, SIGMOID_STEPS, SIGMOIDS

DISTANCES = 512  # sixteenths of a latent, of a wide sigma under one sigma: there it hardly matters


def sigmoid_table() -> np.ndarray:
    """int16 [4096]: sigmoid(v / 256) in 15 bits for v = -2048 .. 2047."""
    v = np.arange(-SIGMOIDS, SIGMOIDS) / SIGMOID_STEPS
    return np.minimum(np.rint(2**15 / (1 + np.exp(-v))), MOST).astype(np.int16)


def exp2_table() -> np.ndarray:
    """int32 [4096]: 2^(16 + i / 4096)."""
    i = np.arange(1 << EXP2_BITS)
    return np.rint(np.exp2(16 + (i + 0.5) / (1 << EXP2_BITS))).astype(np.int32)


def means_table() -> np.ndarray:
    """int16 [indexes, distances]: what the conditional mean adds to a latent that lies so many
    sixteenths above mu, in 1024ths (`distribution.conditional_mean`)."""
    distance = torch.arange(DISTANCES, dtype=torch.float64)[None] / distribution.MU_STEPS
    index = torch.arange(distribution.INDEXES, dtype=torch.float64)[:, None]
    shift = distribution.conditional_mean(distance, torch.zeros_like(distance), index) - distance
    return (shift * 2**MEAN_BITS).round().to(torch.int16).numpy()


def no_means() -> np.ndarray:
    """int16 [indexes, 1]: the conditional mean adds nothing."""
    return np.zeros((distribution.INDEXES, 1), np.int16)


def gain_table(unit: GainUnit, scale: np.ndarray) -> np.ndarray:
    """int32 [levels, M]: log2 of each gain in units of a channel's `scale` [M], in 16.16."""
    log2 = unit.log_gain.detach().cpu().double().numpy() / math.log(2) - np.log2(scale)
    return np.rint(log2 * 2**16).astype(np.int32)
