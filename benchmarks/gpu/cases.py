"""One image's latents in an engine on the device: what the benchmarks of the entropy part time."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from clock import Clock
from images import fitted, photographs
from sampled import QUALITY, shift_indexes

import mcm_fast
from mcm_fast import Codec
from mcm_fast.exact.cpu import CpuEngine
from mcm_fast.exact.cuda.batch import Batch
from mcm_fast.exact.cuda.device import current
from mcm_fast.exact.cuda.engine import CudaEngine
from mcm_fast.exact.cuda.graphs import captured
from mcm_fast.exact.cuda.wavefront import GRAPH_STEPS
from mcm_fast.exact.wavefront import wavefront_steps

DRAWN = Path(__file__).resolve().parent / "drawn"


class Case:
    """One image's latents in an engine on the device, and back out of it."""

    def __init__(self, plan, model, y, z, name: str):
        self.name, self.engine = name, CudaEngine(model, plan.device)
        self.clock = Clock(self.engine.device, plan.repeats)
        self.item = y.to(self.engine.device), z.to(self.engine.device), QUALITY
        self.size, self.steps = tuple(y.shape[1:]), wavefront_steps(*y.shape[1:], model.slices)
        [(self.coded, _)] = self.engine.encode([self.item])
        [(expected, _)] = CpuEngine(model).encode([self.item])
        assert self.coded.segments == expected.segments
        self.check(*self.decode())

    def decode(self, count: int = 1):
        """So many copies of it, together."""
        return self.engine.decode([(self.coded, *self.size, QUALITY)] * count)

    def check(self, *decoded) -> None:
        for y, z, _ in decoded:
            assert torch.equal(y, self.item[0]) and torch.equal(z, self.item[1])

    def bpp(self) -> float:
        bits = 8 * sum(map(len, self.coded.segments))
        return round(bits / (256 * self.size[0] * self.size[1]), 3)

    def steps_us(self) -> dict[str, float]:
        """Microseconds of a step of the wavefront; of its context model alone, half-way; and of a
        step when all is done, which is the floor."""
        self.decode()
        wavefront = next(reversed(self.engine._decoder._kept.values()))
        with current(self.engine.device):
            return self._steps_us(wavefront)

    def _steps_us(self, wavefront) -> dict[str, float]:
        t, batch = wavefront.coder["t"], Batch(self.engine.model, [(*self.size, QUALITY)])
        rounded, times = -(-self.steps // GRAPH_STEPS) * GRAPH_STEPS, []
        for _ in range(self.clock.repeats):
            wavefront._begin(batch)
            times.append(self.clock.once(lambda: wavefront._advance(rounded)))
        [z] = batch.planar_z(wavefront.z[: self.item[1].numel()])
        assert torch.equal(z, self.item[1]) and int(t[0]) == self.steps
        empty = self.clock.median(lambda: wavefront._advance(rounded))
        t.fill_(self.steps // 2)
        parts, lazy = {}, partial(wavefront._lazy, wavefront.coming)
        for name, part in (("context", wavefront._context), ("lazy", lazy)):
            time = self.clock.median(_repeated(wavefront, part))
            parts[f"{name} us"] = round(1e3 * time / GRAPH_STEPS, 3)
        return parts | {
            "step us": round(1e3 * statistics.median(times) / rounded, 3),
            "empty step us": round(1e3 * empty / rounded, 3),
        }


def _repeated(wavefront, step) -> Callable[[], None]:
    """GRAPH_STEPS calls of it, as a graph on a GPU."""
    if wavefront.graph is not None:
        return captured(step, wavefront.device, GRAPH_STEPS).replay
    return lambda: [step() for _ in range(GRAPH_STEPS)]


def of_photograph(plan, images: Path | None) -> Iterator[Case]:
    """In the trained model."""
    codec = codec_of(plan, "cpu", "cpu")
    (image,) = photographs(images, 1).values()
    for height, width in plan.sizes:
        latents = codec.analysis(fitted(image, height, width), QUALITY / 100)
        name = f"{plan.model}, a photograph, {width}x{height}"
        yield Case(plan, codec.integers, latents.y, latents.z, name)


def of_draws(plan, preset: str) -> Iterator[Case]:
    """In an untrained model, at half a bit a pixel (sampled.py made drawn/ of it)."""
    for path in sorted(DRAWN.glob(f"{preset}-*.npz"), key=lambda path: path.stat().st_size):
        yield Case(plan, *drawn(path), f"{preset}, drawn, {path.stem.split('-')[1]}")


def drawn(path: Path):
    """The model; y int16 [M, height, width] and z."""
    with np.load(path) as arrays:
        model = Codec.untrained(path.stem.split("-")[0]).integers
        y, z = (torch.from_numpy(arrays[name].astype(np.int16)) for name in ("y", "z"))
        return shift_indexes(model, float(arrays["shift"])), y, z


def codec_of(plan, device: str, engine: str) -> Codec:
    if plan.model in mcm_fast.models():
        return mcm_fast.load(plan.model, device, engine)
    return Codec.untrained(plan.model, device=device, engine=engine)
