"""The integer CDF tables, made once at export and stored with the weights (FORMAT.md, section 5).

Frequencies sum to 2^14. The probabilities come from float64 here, and only here: no reader of
a stream computes one.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..network import distribution
from .rans import SYMBOL_BITS

TOTAL = 1 << SYMBOL_BITS
REACH = 400  # a table holds symbols within this distance of its centre
# Below this a symbol is cheaper as an escape: its place would cost every other symbol 1 / 2^14.
_RARE = 2.0**-17
_PRIOR_COUNT = 300  # how many symbols seen weigh as much as the Gaussian
_TAIL, _TAIL_WIDTH = 2.0**-10, 2.0  # of the prior: real tails are wider than a Gaussian's

Table = tuple[int, Tensor]  # the first symbol, cumulative frequencies with the escape's last


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


def make_table(mass: Tensor, first: int) -> Table:
    """Probabilities of the symbols first, first + 1, ... -> their table, without the rare ones."""
    kept = (mass > _RARE).nonzero().flatten()
    low, high = int(kept[0]), int(kept[-1]) + 1
    frequency = frequencies(mass[low:high])
    return first + low, torch.cumsum(frequency, 0) - frequency


def bin_masses(cdf: Callable[[Tensor], Tensor], centre: int) -> Tensor:
    """The mass of each whole number within REACH of the centre under a float64 cdf."""
    edges = torch.arange(centre - REACH, centre + REACH + 2, dtype=torch.float64) - 0.5
    return cdf(edges).diff()


def latent_tables(counts: Tensor | None = None) -> list[Table]:
    """For each index and fraction of mu (0, 1/n .. (n-1)/n with n = 16 >> shift): its table.

    A Gaussian with a little mass in wider tails; with `counts` (int64 [tables, 2 REACH + 1], how
    often each symbol was seen) what was seen outweighs it.
    """
    tables = []
    ladder = torch.arange(distribution.INDEXES, dtype=torch.float64)
    for sigma, shift in zip(distribution.sigma_of(ladder).tolist(), _shifts(), strict=True):
        for k in range(distribution.MU_STEPS >> shift):
            mass = _prior(k / (distribution.MU_STEPS >> shift), sigma)
            if counts is not None:
                seen = counts[len(tables)].double()
                mass = (seen + _PRIOR_COUNT * mass) / (seen.sum() + _PRIOR_COUNT)
            tables.append(make_table(mass, -REACH))
    return tables


def _prior(mean: float, sigma: float) -> Tensor:
    def gaussian(scale: float) -> Tensor:
        return bin_masses(lambda x: 0.5 * torch.erfc((mean - x) / scale * 0.5**0.5), 0)

    # Not for the narrowest: their zeros are left out of the coder, and rare others are exceptions.
    tail = _TAIL if sigma > 2 * distribution.SIGMA_MIN else 0.0
    return (1 - tail) * gaussian(sigma) + tail * gaussian(_TAIL_WIDTH * sigma)


def _shifts() -> list[int]:
    ladder = torch.arange(distribution.INDEXES, dtype=torch.float64)
    return distribution.mu_shift(ladder).int().tolist()


def table_tensors(tables: list[Table]) -> dict[str, Tensor]:
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
