"""Exact pixels beside the float synthesis: `small` at 768x512, quality 50, in one run.

Scales fit one photograph: they do not change the time.
"""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch
from bench_transforms import road
from photograph import photograph
from timing import interleaved

from mcm_fast.exact.extension import extension
from mcm_fast.exact.pixels.calibrate import samples_of
from mcm_fast.exact.pixels.cpu import CpuRenderer
from mcm_fast.exact.pixels.quantize import quantize
from mcm_fast.exact.pixels.reference import render

SIZE = "768x512"
TITLE = "Synthesis of small, 768x512, milliseconds"
LEVELS = extension().simd_names()[1:]


@functools.cache
def rendering():
    codec = road(SIZE)[0]
    picture = photograph(384, 256)
    samples = samples_of(codec.network, codec.engine, [picture])
    return quantize(codec.network, codec.network.synthesis, samples)


@functools.cache
def arrays():
    """The latents as they are decoded."""
    latents = road(SIZE)[2]
    found = latents.parameters
    return [t.numpy() for t in (latents.y, found.mu, found.indexes, found.hyper)]


def test_same_pixels():
    """What is timed is right."""
    cut = [np.ascontiguousarray(array[:, :6, :10]) for array in arrays()]
    expected = render(rendering(), *map(torch.from_numpy, cut), 5000).permute(1, 2, 0).numpy()
    for level in LEVELS:
        extension().use_simd(level)
        assert np.array_equal(CpuRenderer(rendering()).render(*cut, 5000), expected)


@pytest.mark.parametrize("threads", [1, 2])
def test_beside_floats(report, threads):
    codec, _, latents, _ = road(SIZE)
    renderer = CpuRenderer(rendering(), threads)

    def exact(level: str):
        extension().use_simd(level)
        return renderer.render(*arrays(), latents.quality_steps)

    runs = [lambda: codec.synthesis(latents, exact=False)]
    runs += [functools.partial(exact, level) for level in LEVELS]
    before = torch.get_num_threads(), extension().simd()
    torch.set_num_threads(threads)
    seconds = [float(np.median(taken)) for taken in interleaved(runs)]
    torch.set_num_threads(before[0])
    extension().use_simd(before[1])
    cells = {"threads": str(threads), "torch fp32": f"{1e3 * seconds[0]:.0f}"}
    for level, one in zip(LEVELS, seconds[1:], strict=True):
        cells[level] = f"{1e3 * one:.0f} ({one / seconds[0]:.2f} x)"
    products = 1e-9 * rendering_products()
    cells["10^9 products a second"] = f"{products / min(seconds[1:]):.0f}"
    report(TITLE, cells)


def rendering_products() -> float:
    """Products of weights and values in one picture."""
    found = rendering()
    height, width = arrays()[0].shape[1:]
    total = 0.0
    for i, layer in enumerate(found.layers):
        scale = found.scales[layer.source] - (layer.kernel == 2)
        total += found.tensors[f"{i}.weight"].size * height * width * 4.0**scale
    return total
