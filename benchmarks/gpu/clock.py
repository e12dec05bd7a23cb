"""Times on a device: between two events on its stream, the median of some runs."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch


class Clock:
    """Milliseconds. On the CPU, for a dry run, by the wall."""

    def __init__(self, device: torch.device, repeats: int):
        self.device, self.repeats = device, repeats

    def median(self, function: Callable[[], object], repeats: int | None = None) -> float:
        """Of a call, after one that is not counted."""
        function()
        times = [self.once(function) for _ in range(repeats or self.repeats)]
        return round(statistics.median(times), 4)

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
