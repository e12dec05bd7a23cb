"""How fast a step is here: eager, compiled, and as a CUDA graph; and where the time goes."""

from __future__ import annotations

import copy
import dataclasses
import time

import torch

from . import data, pca
from .config import Options
from .step import Step


def benchmark(network: torch.nn.Module, options: Options, steps: int = 30) -> None:
    """Print images a second and peak memory for each way that this device has."""
    cuda = options.device.startswith("cuda")
    tiles = data.load(options).train.to(options.device)
    network.to(options.device)
    pca.initialise(network, data.centre(tiles[:16], options.crop))
    sampler = data.Sampler(options, len(tiles), network.config.levels)
    ways = [(False, True), (True, True)] if cuda else [(False, False), (True, False)]
    for compiled, graph in ways:
        chosen = dataclasses.replace(options, compile=compiled, graph=graph)
        step = Step(copy.deepcopy(network).train(), tiles, chosen)
        stream = torch.cuda.Stream() if cuda else None
        if cuda:
            stream.wait_stream(torch.cuda.current_stream())
            torch.cuda.reset_peak_memory_stats()
        with torch.cuda.stream(stream):
            _time(step, sampler, options.batch, steps, cuda)
    if cuda:
        _profile(step, sampler)


def _time(step: Step, sampler: data.Sampler, batch: int, steps: int, cuda: bool) -> None:
    start = time.perf_counter()
    for n in range(5):
        step(sampler(n), 1e-4, 1e-3)
    step.read()
    warm, start = time.perf_counter() - start, time.perf_counter()
    for n in range(steps):
        step(sampler(n), 1e-4, 1e-3)
    step.read()
    each = (time.perf_counter() - start) / steps
    memory = torch.cuda.max_memory_allocated() / 2**30 if cuda else 0
    print(
        f"compiled {step.compiled} graph {step.graph is not None}: {1000 * each:.1f} ms a step, "
        f"{batch / each:.0f} images/s, {warm:.1f} s to start, peak {memory:.2f} GiB",
        flush=True,
    )


def _profile(step: Step, sampler: data.Sampler) -> None:
    """The kernels that take longest, without the graph."""
    step.graph, step.graphed = None, False
    step(sampler(0), 1e-4, 1e-3)
    torch.cuda.synchronize()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        for n in range(3):
            step(sampler(n), 1e-4, 1e-3)
        torch.cuda.synchronize()
    events = sorted(profile.key_averages(), key=lambda e: -e.self_device_time_total)
    for event in events[:25]:
        print(
            f"{event.self_device_time_total / 3000:8.3f} ms {event.count // 3:4d} {event.key[:90]}"
        )
