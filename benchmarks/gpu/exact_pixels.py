"""Exact pixels on the device: the CPU's to the bit, at the ends of all ranges and on drawn latents;
then the time of a picture."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from cases import DRAWN, drawn
from clock import Clock
from differences import require_equal
from pixel_lists import latents_for, odd_preview, odd_rendering
from sampled import QUALITY

from mcm_fast import presets
from mcm_fast.exact.cpu import CpuEngine
from mcm_fast.exact.pixels.cpu import CpuRenderer
from mcm_fast.exact.pixels.cuda import MEMORY, CudaRenderer
from mcm_fast.exact.pixels.decoder_file import load_decoder

SIZES = (1, 1), (7, 9), (33, 47)  # of y
NAMES = "faithful", "preview8", "preview16"


def exact_pixels(plan, images: Path | None) -> Iterator[dict]:
    yield from _random(plan)
    if plan.drawn:
        yield from _drawn(plan)


def _random(plan) -> Iterator[dict]:
    """Lists that no network has, whole and in many windows."""
    renderings = {"odd": odd_rendering(), "odd preview": odd_preview(8)}
    for name, rendering in renderings.items():
        for size in SIZES[: len(SIZES) if plan.drawn else 2]:
            arrays, quality = latents_for(rendering, *size, 20.0)
            for memory in (2**16, MEMORY):
                renderer = CudaRenderer(rendering, plan.device, memory=memory)
                _equal(f"pixels {name}", renderer, arrays, quality)
            yield {"what": name, "size": size, "equal": True}


def _drawn(plan) -> Iterator[dict]:
    """The shipped renderings on drawn latents of `small`."""
    renderings = load_decoder(presets.WEIGHTS / "small.decoder.safetensors", NAMES).renderings
    clock = Clock(torch.device(plan.device), plan.repeats)
    for path in sorted(DRAWN.glob("small-*.npz"), key=lambda path: path.stat().st_size):
        model, y, z = drawn(path)
        said = CpuEngine(model).parameters(y, z, QUALITY)
        for name, rendering in renderings.items():
            renderer = CudaRenderer(rendering, plan.device)
            hyper = said.hyper[: rendering.hyper_channels]
            arrays = [plane.numpy() for plane in (y, said.mu, said.indexes, hyper)]
            planes = _equal(f"pixels {name}", renderer, arrays, QUALITY)
            row = {"what": f"{name}, drawn, {path.stem.split('-')[1]}", "equal": True}

            def render(renderer=renderer, planes=planes) -> None:
                renderer.render(*planes, QUALITY)

            yield row | clock.row("exact ms", render)


def _equal(name: str, renderer: CudaRenderer, arrays: list[np.ndarray], quality: int) -> list:
    """The planes on the device, whose pixels are the CPU's."""
    expected = CpuRenderer(renderer.rendering).render(*arrays, quality)
    planes = [torch.from_numpy(array).to(renderer.device) for array in arrays]
    require_equal(name, renderer.render(*planes, quality).permute(1, 2, 0), expected)
    return planes
