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

    Symbols beyond REACH are left out.
    """
    table, base = model.table_of(parameters.mu.flatten(), parameters.indexes.flatten())
    symbol = y.long().flatten() - base
    near, width = symbol.abs() <= REACH, 2 * REACH + 1
    places = table[near] * width + symbol[near] + REACH
    return torch.bincount(places, minlength=model.y_tables * width).view(model.y_tables, width)
