"""What speed.py measures: one generator a subject, which yields the rows of a table."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import torch
from cases import Case, codec_of, of_draws, of_photograph
from clock import Clock
from exact_pixels import exact_pixels
from images import fitted, made, photographs
from peers import Symbols

from mcm_fast import container
from mcm_fast.exact.cuda import graphs as engine_graphs
from mcm_fast.exact.cuda.engine import CudaEngine
from mcm_fast.exact.cuda.launch import CONTEXT_STEP
from mcm_fast.exact.extension import cuda_extension
from mcm_fast.symbols import SymbolTables, decode_symbols, encode_symbols
from mcm_fast.transforms import graphs as synthesis_graphs

Rows = Iterator[dict]


def _entropy(case: Case) -> dict:
    """Latents to segments and back; what a step costs beside an empty one."""
    row = {"what": case.name, "bpp": case.bpp(), "steps": case.steps}
    row |= case.clock.row("decode ms", case.decode) | case.steps_us()
    row |= case.clock.row("encode ms", lambda: case.engine.encode([case.item]))
    return row | {"floor ms": round(case.steps * row["empty step us"] / 1e3, 3)}


def photograph(plan, images: Path | None) -> Rows:
    return map(_entropy, of_photograph(plan, images))


def drawn_small(plan, images: Path | None) -> Rows:
    return _drawn(plan, "small")


def drawn_base(plan, images: Path | None) -> Rows:
    return _drawn(plan, "base")


def _drawn(plan, preset: str) -> Rows:
    if plan.drawn:
        return map(_entropy, of_draws(plan, preset))
    return iter([{"what": f"{preset}: not drawn"}])


def batches(plan, images: Path | None) -> Rows:
    """Many images at once against one after the other."""
    case = next(of_photograph(plan, images))
    case.check(*case.decode(plan.batch))
    alone = case.clock.median(case.decode)
    for count in sorted({1, plan.batch // 4 or 1, plan.batch}):
        row = {"what": case.name, "images": count}
        row |= case.clock.row("decode ms", lambda n=count: case.decode(n))
        yield row | {"throughput of one at a time": round(count * alone / row["decode ms"], 2)}


def graphs(plan, images: Path | None) -> Rows:
    """What comes before the first step, and the synthesis, as graphs and launch by launch."""
    codec, (image,) = codec_of(plan, plan.device, "cuda"), photographs(images, 1).values()
    clock = Clock(codec.device, plan.repeats)
    for height, width in plan.sizes:
        stream = codec.compress(fitted(image, height, width).to(codec.device), 50)
        latents, row = codec.decode(stream), {"what": f"{width}x{height}"}
        calls = {
            "decode": (engine_graphs, "PRELUDE", lambda s=stream: codec.decode(s)),
            "synthesis": (synthesis_graphs, "SYNTHESIS", lambda x=latents: codec.synthesis(x)),
        }
        for name, (module, switch, call) in calls.items():
            usual = getattr(module, switch)
            row |= clock.row(f"{name} ms", call)
            setattr(module, switch, False)
            row |= {f"{name} ms, launches": clock.median(call)}
            setattr(module, switch, usual)
        yield row


def launch_options(plan, images: Path | None) -> Rows:
    """The step of the wavefront launched in other ways than exact/cuda/launch.py says."""
    chosen = dict(CONTEXT_STEP)
    try:
        for options in ({}, *plan.options):
            CONTEXT_STEP.update(chosen | options)
            case = next(of_photograph(plan, images))
            words = ", ".join(f"{name} {value}" for name, value in CONTEXT_STEP.items())
            yield {"what": case.name, "options": words} | case.steps_us()
    finally:
        CONTEXT_STEP.clear()
        CONTEXT_STEP.update(chosen)


def road(plan, images: Path | None) -> Rows:
    """compress and decompress whole, images and pixels on the device; one image also in parts."""
    codec = codec_of(plan, plan.device, "cuda")
    clock = Clock(codec.device, plan.repeats)
    (image,) = photographs(images, 1).values()
    for height, width in plan.sizes:
        picture = fitted(image, height, width).to(codec.device)
        stream = codec.compress(picture, 50)
        latents = codec.decode(stream)
        row = {"what": f"1 of {width}x{height}"}
        row |= clock.row("decompress ms", lambda s=stream: codec.decompress(s))
        row |= clock.row("compress ms", lambda p=picture: codec.compress(p, 50))
        row |= {"unpack ms": clock.median(lambda s=stream: container.unpack(s))}
        row |= {"decode ms": clock.median(lambda s=stream: codec.decode(s))}
        yield row | {"synthesis ms": clock.median(lambda x=latents: codec.synthesis(x))}
        many, streams = [picture] * plan.batch, [stream] * plan.batch
        row = {"what": f"{plan.batch} of {width}x{height}"}
        row |= clock.row("decompress ms", lambda s=streams: codec.decompress_many(s))
        yield row | clock.row("compress ms", lambda m=many: codec.compress_many(m, 50))


def new_shapes(plan, images: Path | None) -> Rows:
    """What the first image of a shape costs beyond the next ones, by the wall."""
    writer, codec = codec_of(plan, "cpu", "cpu"), codec_of(plan, plan.device, "cuda")
    codec.engine = CudaEngine(codec.integers, plan.device)  # that knows no shape yet
    for height, width in ((16, 16), *((h - 16, w - 9) for h, w in plan.sizes if h > 16)):
        stream, times = writer.compress(made(height, width), 50), []
        for _ in range(4):
            start = time.perf_counter()
            codec.decode(stream)
            times.append(1e3 * (time.perf_counter() - start))
        row = {"what": f"{width}x{height}", "first ms": round(times[0], 2)}
        yield row | {"next ms": round(min(times[1:]), 2)}


def coder(plan, images: Path | None) -> Rows:
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
    yield row | {"decode G/s": round(plan.symbols / decode / 1e6, 3)}


PHASES = "headers", "fetch", "gather", "read", "write", "close"


def phases(plan, images: Path | None) -> Rows:
    """Cycles of the coder's phases in a step, of a library that was built with clocks."""
    for case in of_photograph(plan, images):
        case.engine.decode([(case.coded, *case.size, 5000)])
        cuda_extension().phases()
        case.check(*case.decode())
        clocks = dict(zip(PHASES, cuda_extension().phases(), strict=False))
        row = {"what": case.name, "lanes": case.coded.lanes * case.coded.groups}
        yield row | {name: round(count / case.steps) for name, count in clocks.items()}


SUBJECTS = {
    "phases": phases,
    "photograph": photograph,
    "road": road,
    "batches": batches,
    "graphs": graphs,
    "drawn small": drawn_small,
    "drawn base": drawn_base,
    "coder": coder,
    "exact pixels": exact_pixels,
    "new shapes": new_shapes,
    "launch options": launch_options,
}
