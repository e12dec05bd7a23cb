"""The entropy part of a 768x512 image, latents to bytes and back, beside CompressAI's."""

import peers
import pytest
import torch
from sampled import QUALITY, drawn
from timing import median, once

from mcm_fast import Codec
from mcm_fast.exact.cpu import CpuEngine

HEIGHT, WIDTH = 512, 768
TITLE = (
    "Entropy part of one 768x512 image, 2 threads, untrained weights, ours at 0.5 bpp, milliseconds"
)
WHOLE = "One 768x512 image with transforms, which are timed apart, 2 threads, milliseconds"
PARTS = "Where our time goes: one 768x512 image, 2 threads, milliseconds"
HEADS = {TITLE: ("encode", "decode"), WHOLE: ("compress", "decompress")}
_rows: dict[str, dict[str, tuple[float, float]]] = {}


def row(report, name: str, encode: float, decode: float, transforms: tuple[float, float]) -> None:
    whole = encode + transforms[0], decode + transforms[1]
    for title, seconds in ((TITLE, (encode, decode)), (WHOLE, whole)):
        rows = _rows.setdefault(title, {})
        rows[name] = seconds
        cells = {"model": name, **dict(zip(HEADS[title], map(milliseconds, seconds), strict=True))}
        for ours in ("small", "base"):
            mine = rows.get(f"mcm_fast {ours}")
            ratios = [f"{s / m:.1f}x" for s, m in zip(seconds, mine, strict=True)] if mine else []
            cells[f"{ours} is faster by"] = " / ".join(ratios)
        report(title, cells)


def milliseconds(seconds: float) -> str:
    return f"{1e3 * seconds:.1f}"


@pytest.mark.parametrize("preset", ["small", "base"])
def test_ours(preset, report, threads):
    model, y, z = drawn(preset, WIDTH, HEIGHT)
    engine = CpuEngine(model, threads)
    [(coded, _)] = engine.encode([(y, z, QUALITY)])
    size = y.shape[1], y.shape[2]
    [decoded] = engine.decode([(coded, *size, QUALITY)])
    assert torch.equal(decoded[0], y) and torch.equal(decoded[1], z)
    encode = median(lambda: engine.encode([(y, z, QUALITY)]))
    decode = median(lambda: engine.decode([(coded, *size, QUALITY)]))
    codec = Codec.untrained(preset)
    image = torch.randint(0, 256, (3, HEIGHT, WIDTH), dtype=torch.uint8)
    analysis = median(lambda: codec.analysis(image, QUALITY / 100), 3)
    latents = codec.analysis(image, QUALITY / 100)
    synthesis = median(lambda: codec.synthesis(latents), 3)
    row(report, f"mcm_fast {preset}", encode, decode, (analysis, synthesis))
    parts = analysis, encode, decode, synthesis
    names = "analysis", "encode", "decode", "synthesis"
    cells = dict(zip(names, map(milliseconds, parts), strict=True))
    report(PARTS, {"model": f"mcm_fast {preset}", **cells})


@pytest.mark.parametrize("name", ["ELIC", "mbt2018", "cheng2020-attn"])
def test_peer(name, report):
    try:
        model = peers.Model(name, HEIGHT, WIDTH)
    except ImportError as error:
        pytest.skip(str(error))
    encode, coded = once(model.encode)
    if name == "ELIC":  # the serial ones take too long for more than one
        encode, decode = median(model.encode, 3), median(lambda: model.decode(coded), 3)
    else:
        decode, _ = once(lambda: model.decode(coded))
    row(report, f"CompressAI {name}", encode, decode, model.transforms)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("preset", ["small", "base"])
def bench_decode(benchmark, preset, count):
    model, y, z = drawn(preset, WIDTH, HEIGHT)
    engine = CpuEngine(model, count)
    [(coded, _)] = engine.encode([(y, z, QUALITY)])
    [decoded] = benchmark(lambda: engine.decode([(coded, *y.shape[1:], QUALITY)]))
    assert torch.equal(decoded[0], y)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("preset", ["small", "base"])
def bench_encode(benchmark, preset, count):
    model, y, z = drawn(preset, WIDTH, HEIGHT)
    engine = CpuEngine(model, count)
    [(expected, _)] = engine.encode([(y, z, QUALITY)])
    [(coded, _)] = benchmark(lambda: engine.encode([(y, z, QUALITY)]))
    assert coded.segments == expected.segments
