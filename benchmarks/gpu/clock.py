"""Times on a device: between two events on its stream, of some runs, when its clocks are up."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch

WARM = 0.3  # seconds of work before what is timed: an idle card has a fifth of its clock


class Clock:
    """Milliseconds. On the CPU, for a dry run, by the wall."""

    def __init__(self, device: torch.device, repeats: int):
        self.device, self.repeats = device, repeats

    def row(self, name: str, function: Callable[[], object]) -> dict[str, float]:
        """The median of a call, and the least and the most."""
        times = self.times(function)
        names = name, f"{name} min", f"{name} max"
        values = statistics.median(times), min(times), max(times)
        return {name: round(value, 4) for name, value in zip(names, values, strict=True)}

    def median(self, function: Callable[[], object]) -> float:
        return round(statistics.median(self.times(function)), 4)

    def times(self, function: Callable[[], object]) -> list[float]:
        self.warm_up(function)
        return [self.once(function) for _ in range(self.repeats)]

    def warm_up(self, function: Callable[[], object]) -> None:
        function()
        start = time.monotonic()
        while self.device.type == "cuda" and time.monotonic() - start < WARM:
            function()
            torch.cuda.synchronize()

    def once(self, function: Callable[[], object]) -> float:
        if self.device.type == "cpu":
            start = time.perf_counter()
            function()
            return 1e3 * (time.perf_counter() - start)
        first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize()
        first.record()
        function()
        last.record()
        torch.cuda.synchronize()
        return first.elapsed_time(last)
