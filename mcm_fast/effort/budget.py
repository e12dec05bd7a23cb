"""What an effort of 1 .. 9 buys, and how a step of the search moves at each moment of it.

Tuned on crops of training photographs, none of them of a test set (docs/effort.md).
"""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Budget:
    """`steps` gradient steps, then `sweeps` over single latents. Rate and temperature fall
    geometrically from the first step to the last; the rate is in units of a quantiser's step."""

    steps: int
    sweeps: int
    first_rate: float
    last_rate: float
    first_temperature: float = 0.5
    last_temperature: float = 0.05

    def rate(self, step: int) -> float:
        return _between(self.first_rate, self.last_rate, step, self.steps)

    def temperature(self, step: int) -> float:
        return _between(self.first_temperature, self.last_temperature, step, self.steps)


def _between(first: float, last: float, step: int, steps: int) -> float:
    return first * (last / first) ** (step / max(1, steps - 1))


BUDGETS = {
    1: Budget(4, 0, 0.12, 0.012),
    2: Budget(8, 0, 0.12, 0.012),
    3: Budget(12, 0, 0.1, 0.01),
    4: Budget(20, 0, 0.1, 0.01),
    5: Budget(32, 0, 0.08, 0.008),
    6: Budget(50, 0, 0.08, 0.008),
    7: Budget(90, 0, 0.06, 0.006),
    8: Budget(160, 0, 0.06, 0.006),
    9: Budget(300, 0, 0.06, 0.006),
}


def budget_of(effort: int) -> Budget:
    """The budget of an effort in 1 .. 9. Raises ValueError for anything else."""
    if type(effort) is not int or effort not in BUDGETS:
        raise ValueError(f"effort is a whole number in 1 .. 9 here, not {effort!r}")
    return BUDGETS[effort]
