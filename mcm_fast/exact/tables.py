"""The integer CDF tables, made once at export and stored with the weights (FORMAT.md, section 5).

Frequencies sum to 2^14. The probabilities come from float64 here, and only here: no reader of
a stream computes one.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..network import distribution

PROBABILITY_BITS = 14
TOTAL = 1 << PROBABILITY_BITS
_TAIL = 2.0**-14  # mass on either side that is left to the escape
_MAX_REACH = 400


def frequencies(mass: Tensor) -> Tensor:
    """Probabilities of n symbols [n] -> n + 1 positive frequencies with sum 2^14, escape last."""
    rest = (1 - mass.sum()).clamp(min=0)
    mass = torch.cat((mass, rest[None]))
    exact = mass * (TOTAL - len(mass))
    floor = exact.floor()
    # Largest remainders take what is left; every symbol keeps the one it was given first.
    order = torch.argsort(exact - floor, descending=True, stable=True)
    floor[order[: int(TOTAL - len(mass) - floor.sum())]] += 1
    frequency = (floor + 1).long()
    frequency[frequency.argmax()] += TOTAL - frequency.sum()
    return frequency


def table_of_cdf(cdf: Callable[[Tensor], Tensor], centre: float) -> tuple[int, Tensor]:
    """A distribution's float64 cdf -> (minimum, cumulative frequencies [n + 1], escape last)."""
    middle = round(centre)
    edges = torch.arange(middle - _MAX_REACH, middle + _MAX_REACH + 1, dtype=torch.float64) - 0.5
    below = cdf(edges)
    low = int(torch.searchsorted(below, _TAIL, right=True)) - 1
    high = int(torch.searchsorted(below, 1 - _TAIL))
    low, high = max(low, 0), max(min(high, len(edges) - 1), low + 1)
    minimum = middle - _MAX_REACH + low
    frequency = frequencies(below[low + 1 : high + 1] - below[low:high])
    return minimum, torch.cumsum(frequency, 0) - frequency


def gaussian_tables() -> list[tuple[int, Tensor]]:
    """For each index and fraction of mu (0, 1/n .. (n-1)/n with n = 16 >> shift): its table."""
    tables = []
    ladder = torch.arange(distribution.INDEXES, dtype=torch.float64)
    for sigma, shift in zip(distribution.sigma_of(ladder).tolist(), _shifts(), strict=True):
        count = distribution.MU_STEPS >> shift
        for k in range(count):
            tables.append(table_of_cdf(_gaussian_cdf(k / count, sigma), k / count))
    return tables


def _shifts() -> list[int]:
    ladder = torch.arange(distribution.INDEXES, dtype=torch.float64)
    return distribution.mu_shift(ladder).int().tolist()


def _gaussian_cdf(mean: float, sigma: float) -> Callable[[Tensor], Tensor]:
    return lambda x: 0.5 * torch.erfc((mean - x) / sigma * 0.5**0.5)


def pack(tables: list[tuple[int, Tensor]]) -> dict[str, Tensor]:
    """The tables as the tensors of FORMAT.md, section 2, with the Gaussian ladder's index."""
    sizes = torch.tensor([0] + [len(cdf) for _, cdf in tables])
    counts = torch.tensor([distribution.MU_STEPS >> s for s in _shifts()])
    return {
        "tables.cdf": torch.cat([cdf for _, cdf in tables]).to(torch.int16),
        "tables.start": torch.cumsum(sizes, 0).to(torch.int32),
        "tables.minimum": torch.tensor([minimum for minimum, _ in tables], dtype=torch.int32),
        "tables.shift": torch.tensor(_shifts(), dtype=torch.int8),
        "tables.first": (torch.cumsum(counts, 0) - counts).to(torch.int32),
    }
