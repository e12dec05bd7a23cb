"""The one way in which peers and our own parts are timed outside pytest-benchmark."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def median(function: Callable[[], object], repeats: int = 9) -> float:
    """Seconds; the first call is not counted when there are several."""
    seconds = []
    for _ in range(repeats + (repeats > 1)):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[repeats > 1 :])


def once(function: Callable[[], T]) -> tuple[float, T]:
    """Seconds of one call, and what it returns."""
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


def interleaved(functions: Sequence[Callable[[], object]], repeats: int = 9) -> list[list[float]]:
    """Seconds of each, called in turn, so that what the machine does besides meets all alike; a
    first round is not counted."""
    seconds: list[list[float]] = [[] for _ in functions]
    for _ in range(repeats + 1):
        for function, taken in zip(functions, seconds, strict=True):
            start = time.perf_counter()
            function()
            taken.append(time.perf_counter() - start)
    return [taken[1:] for taken in seconds]
