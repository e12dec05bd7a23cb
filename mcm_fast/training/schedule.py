"""Where a run is: learning rate, phase and the end, by steps or by the clock."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

from .config import Options


class Phase(NamedTuple):
    """What the step's program depends on: another phase is compiled anew."""

    quantized: bool = False  # the entropy model trains as the integers that it will become
    structural: bool = False  # MS-SSIM counts


@dataclasses.dataclass(frozen=True)
class Schedule:
    """Warm-up, a constant rate, and a decay to zero only where a decay is asked for."""

    options: Options

    def _left(self, step: int, seconds: float) -> float:
        """What is left of the run: in steps, or in minutes."""
        if self.options.steps is not None:
            return self.options.steps - step
        return self.options.minutes - seconds / 60

    def lr(self, step: int, seconds: float) -> float:
        """The learning rate of a step; seconds since this run's start."""
        o = self.options
        warm = min(1.0, (step + 1) / max(1, o.warmup))
        decay = o.decay_steps if o.steps is not None else o.decay_minutes
        rest = min(1.0, max(0.0, self._left(step, seconds) / decay)) if decay else 1.0
        return o.lr * warm * rest

    def phase(self, step: int, seconds: float) -> Phase:
        """A frozen entropy model is seen as it is in use, rounded, from the start."""
        o = self.options
        last = o.quantize_steps if o.steps is not None else o.quantize_minutes
        quantized = o.parts != "all" or (last > 0 and self._left(step, seconds) <= last)
        return Phase(quantized, o.beta > 0 and step >= o.warmup)

    def finished(self, step: int, seconds: float) -> bool:
        return self._left(step, seconds) <= 0

    def done(self, step: int, seconds: float) -> float:
        """The share of the run that is behind it."""
        o = self.options
        return step / o.steps if o.steps is not None else seconds / 60 / o.minutes

    def ema_weight(self, step: int) -> float:
        """How far the average moves: quickly at first (0.99, 0.999, ...), then by 1 - ema."""
        return max(1 - self.options.ema, 9 / (10 + step))
