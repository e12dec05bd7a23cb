"""What speed.py measures: one function a subject, which returns the rows of a table."""

from __future__ import annotations

import functools
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from clock import Clock
from images import fitted, made, photographs
from peers import Symbols
from sampled import QUALITY, draw

import mcm_fast
from mcm_fast import Codec
from mcm_fast.exact.cpu import CpuEngine
from mcm_fast.exact.cuda.decode import GRAPH_STEPS, captured
from mcm_fast.exact.cuda.device import launch
from mcm_fast.exact.cuda.engine import CudaEngine
from mcm_fast.exact.cuda.launch import CONTEXT_STEP
from mcm_fast.exact.wavefront import wavefront_steps
from mcm_fast.symbols import SymbolTables, decode_symbols, encode_symbols


def machine(plan) -> dict:
    """What all of it was measured on."""
    facts = {"python": platform.python_version(), "torch": torch.__version__, "device": "CPU"}
    if plan.device == "cuda":
        import triton

        facts |= {"device": torch.cuda.get_device_name(), "triton": triton.__version__}
        facts |= {"cuda": torch.version.cuda}
    return facts


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
        t, z = wavefront.coder["t"], torch.empty_like(self.item[1])
        rounded, times = -(-self.steps // GRAPH_STEPS) * GRAPH_STEPS, []
        for _ in range(self.clock.repeats):
            for name in ("begin", "decode_z"):
                launch(self.engine.device, name, wavefront.fields | {"z": z})
            times.append(self.clock.once(lambda: wavefront._advance(rounded)))
        assert torch.equal(z, self.item[1]) and int(t[0]) == self.steps
        empty = self.clock.median(lambda: wavefront._advance(rounded))
        t.fill_(self.steps // 2)
        context = self.clock.median(_repeated(wavefront, wavefront._context))
        return {
            "step us": round(1e3 * statistics.median(times) / rounded, 3),
            "context us": round(1e3 * context / GRAPH_STEPS, 3),
            "empty step us": round(1e3 * empty / rounded, 3),
        }


def _repeated(wavefront, step) -> Callable[[], None]:
    """GRAPH_STEPS calls of it, as a graph on a GPU."""
    if wavefront.graph is not None:
        return captured(step, wavefront.device).replay
    return lambda: [step() for _ in range(GRAPH_STEPS)]


def cases(plan, images: Path | None):
    """Drawn latents in untrained models, those of a photograph in a trained one."""
    for preset in plan.drawn:
        for height, width in plan.sizes:
            latents = drawn(preset, -(-height // 16), -(-width // 16))
            yield Case(plan, *latents, f"{preset}, drawn, {width}x{height}")
    codec = codec_of(plan, "cpu", "cpu")
    for height, width in plan.sizes:
        (image,) = photographs(images, 1).values()
        latents = codec.analysis(fitted(image, height, width), QUALITY / 100)
        name = f"{plan.model}, a photograph, {width}x{height}"
        yield Case(plan, codec.integers, latents.y, latents.z, name)


@functools.cache
def drawn(preset: str, height: int, width: int):
    return draw(Codec.untrained(preset).integers, height, width, bpp=0.5)


def codec_of(plan, device: str, engine: str) -> Codec:
    if plan.model in mcm_fast.models():
        return mcm_fast.load(plan.model, device, engine)
    return Codec.untrained(plan.model, device=device, engine=engine)


def entropy(plan, images) -> list[dict]:
    """Latents to segments and back; what a step costs beside an empty one."""
    rows = []
    for case in cases(plan, images):
        row = {"what": case.name, "bpp": case.bpp(), "steps": case.steps}
        row |= {"encode ms": case.clock.median(lambda c=case: c.engine.encode([c.item]))}
        row |= {"decode ms": case.clock.median(case.decode)} | case.steps_us()
        rows.append(row | {"floor ms": round(case.steps * row["empty step us"] / 1e3, 3)})
    return rows


def batches(plan, images) -> list[dict]:
    """Many images at once against one after the other."""
    case, rows = next(cases(plan, images)), []
    case.check(*case.decode(plan.batch))
    alone = case.clock.median(case.decode)
    for count in sorted({1, plan.batch // 4 or 1, plan.batch}):
        both = case.clock.median(lambda n=count: case.decode(n))
        row = {"what": case.name, "images": count, "decode ms": both}
        rows.append(row | {"throughput of one at a time": round(count * alone / both, 2)})
    return rows


def launch_options(plan, images) -> list[dict]:
    """The step of the wavefront launched in other ways than exact/cuda/launch.py says."""
    chosen, rows = dict(CONTEXT_STEP), []
    try:
        for options in ({}, *plan.options):
            CONTEXT_STEP.update(chosen | options)
            case = next(cases(plan, images))
            options = ", ".join(f"{name} {value}" for name, value in CONTEXT_STEP.items())
            rows.append({"what": case.name, "options": options} | case.steps_us())
    finally:
        CONTEXT_STEP.clear()
        CONTEXT_STEP.update(chosen)
    return rows


def road(plan, images) -> list[dict]:
    """compress and decompress whole, images and pixels on the device."""
    codec = codec_of(plan, plan.device, "cuda")
    clock, rows = Clock(codec.device, plan.repeats), []
    (image,) = photographs(images, 1).values()
    for height, width in plan.sizes:
        for count in (1, plan.batch):
            batch = [fitted(image, height, width).to(codec.device)] * count
            streams = codec.compress(batch, 50)
            row = {"what": f"{count} of {width}x{height}"}
            row |= {"compress ms": clock.median(lambda b=batch: codec.compress(b, 50))}
            row |= {"decompress ms": clock.median(lambda s=streams: codec.decompress(s))}
            rows.append(row)
    return rows


def new_shapes(plan, images) -> list[dict]:
    """What the first image of a shape costs beyond the next ones, by the wall."""
    writer, codec = codec_of(plan, "cpu", "cpu"), codec_of(plan, plan.device, "cuda")
    codec.engine, rows = CudaEngine(codec.integers, plan.device), []  # that knows no shape yet
    for height, width in ((16, 16), *((h - 16, w - 9) for h, w in plan.sizes if h > 16)):
        stream, times = writer.compress(made(height, width), 50), []
        for _ in range(4):
            start = time.perf_counter()
            codec.decode(stream)
            times.append(1e3 * (time.perf_counter() - start))
        row = {"what": f"{width}x{height}", "first ms": round(times[0], 2)}
        rows.append(row | {"next ms": round(min(times[1:]), 2)})
    return rows


def coder(plan, images) -> list[dict]:
    """The range coder alone, an index for each symbol."""
    symbols = Symbols(plan.symbols)
    arrays = (torch.from_numpy(a) for a in (symbols.cdf, symbols.start, symbols.minimum))
    tables = SymbolTables(*arrays, plan.device)
    values, numbers = (
        torch.from_numpy(a).to(plan.device) for a in (symbols.values, symbols.numbers)
    )
    layout = 32, plan.groups
    segments = encode_symbols(tables, values, numbers, *layout)
    assert torch.equal(decode_symbols(tables, segments, numbers), values)
    clock = Clock(tables.device, plan.repeats)
    encode = clock.median(lambda: encode_symbols(tables, values, numbers, *layout))
    decode = clock.median(lambda: decode_symbols(tables, segments, numbers))
    row = {"symbols": plan.symbols, "tables": tables.count, "groups": plan.groups}
    row |= {"states %": round(100 * 2 * 32 * plan.groups / int(segments.sizes.sum()), 3)}
    row |= {"encode G/s": round(plan.symbols / encode / 1e6, 3)}
    return [row | {"decode G/s": round(plan.symbols / decode / 1e6, 3)}]


SUBJECTS = {
    "entropy": entropy,
    "batches": batches,
    "road": road,
    "new shapes": new_shapes,
    "coder": coder,
    "launch options": launch_options,
}
