"""Launches as CUDA graphs: captured once, replayed with the same addresses.

Memory that a graph names must be kept as long as the graph. A captured step neither waits nor
compiles; it may allocate only from a pool of the graph's own.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

STEPS = True  # of the wavefront; without, a launch for each kernel
PRELUDE = True  # what comes before the first of them; only where these are graphs


def has_graphs(device: torch.device) -> bool:
    return device.type == "cuda"


def captured(
    step: Callable[[], None],
    device: torch.device,
    count: int = 1,
    pool: tuple[int, int] | None = None,
) -> torch.cuda.CUDAGraph:
    """So many calls of a step as a graph, after one that runs at once.

    Args:
        step: queues the same work each time.
        pool: of another graph (`CUDAGraph.pool`) whose memory this one may use, too: they must
            never run at the same time.
    """
    step()  # compiles and loads the kernels, which a capture must not do
    # Of a pool of its own: what a caller queues on his stream must not become part of it.
    graph, stream = torch.cuda.CUDAGraph(), torch.cuda.Stream(device, priority=-1)
    with torch.cuda.stream(stream):
        # In this mode other threads may go on meanwhile.
        graph.capture_begin(pool=pool, capture_error_mode="thread_local")
        try:
            for _ in range(count):
                step()
        finally:
            graph.capture_end()
    return graph
