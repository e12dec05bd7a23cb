"""What an effort of 1 .. 9 buys, and how a step of the search moves at each moment of it.

Tuned on crops of training photographs, none of them of a test set, and `bolder` on text, stripes
and dots (docs/effort.md).
"""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Budget:
    """`steps` gradient steps. Rate and temperature fall geometrically from the first step to the
    last; the rate is in units of a quantiser's step."""

    steps: int
    first_rate: float
    last_rate: float
    first_temperature: float = 0.5
    last_temperature: float = 0.15

    def bolder(self, loss: float) -> Budget:
        """For an image whose loss, lambda D, is so many bits a pixel: more than a photograph's
        up to quality 80. Where it is, as for text, latents are many steps from where they should
        be."""
        boldness = min(max(loss / _USUAL_LOSS, 1.0), _BOLDEST)
        return dataclasses.replace(self, first_rate=self.first_rate * boldness)

    def rate(self, step: int) -> float:
        return _between(self.first_rate, self.last_rate, step, self.steps)

    def temperature(self, step: int) -> float:
        return _between(self.first_temperature, self.last_temperature, step, self.steps)


_USUAL_LOSS, _BOLDEST = 1.5, 8.0  # bits a pixel; times the first rate


def _between(first: float, last: float, step: int, steps: int) -> float:
    return float(first * (last / first) ** (step / max(1, steps - 1)))


BUDGETS = {
    1: Budget(4, 0.12, 0.024),
    2: Budget(8, 0.1, 0.02),
    3: Budget(14, 0.09, 0.018),
    4: Budget(20, 0.08, 0.016),
    5: Budget(32, 0.08, 0.016),
    6: Budget(50, 0.07, 0.014),
    7: Budget(90, 0.06, 0.012),
    8: Budget(160, 0.05, 0.01),
    9: Budget(300, 0.04, 0.008),
}


def budget_of(effort: int) -> Budget:
    """The budget of an effort in 1 .. 9. Raises ValueError for anything else."""
    if type(effort) is not int or effort not in BUDGETS:
        raise ValueError(f"effort is a whole number in 1 .. 9 here, not {effort!r}")
    return BUDGETS[effort]
