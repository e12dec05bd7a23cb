"""How often each symbol of y's tables is used: tables then fit what is seen, not only a Gaussian.

An export for calibration has Gaussian tables; mu and indexes do not depend on tables, so what is
counted with it holds for the final model too.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .engine import Parameters
from .model import IntegerModel
from .tables import REACH


def count_symbols(model: IntegerModel, y: Tensor, parameters: Parameters) -> Tensor:
    """Latents (int16 [M, h, w]) and their parameters -> int64 [tables of y, 2 REACH + 1].

    Symbols beyond REACH are left out. The arithmetic is FORMAT.md, section 4.
    """
    mu, index = parameters.mu.long().flatten(), parameters.indexes.long().flatten()
    shift = model.tensors["tables.shift"].long()[index]
    k = (mu + (1 << shift >> 1)) >> shift
    table = model.tensors["tables.first"].long()[index] + (k & ((16 >> shift) - 1))
    symbol = y.long().flatten() - (k >> (4 - shift))
    near = symbol.abs() <= REACH
    count = len(model.tensors["tables.minimum"]) - model.levels * model.hyper_latent
    places = table[near] * (2 * REACH + 1) + symbol[near] + REACH
    width = 2 * REACH + 1
    return torch.bincount(places, minlength=count * width).view(count, width)
