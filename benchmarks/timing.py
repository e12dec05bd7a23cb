"""The one way in which peers and our own parts are timed outside pytest-benchmark."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable


def median(function: Callable[[], object], repeats: int = 9) -> float:
    """Seconds; the first call is not counted when there are several."""
    seconds = []
    for _ in range(repeats + (repeats > 1)):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[repeats > 1 :])
