"""The entropy part of a 768x512 image, latents to bytes and back, beside CompressAI's."""

import functools

import peers
import pytest
import torch
from sampled import QUALITY, draw
from timing import median

from mcm_fast import Codec
from mcm_fast.exact.cpu import CpuEngine

HEIGHT, WIDTH = 512, 768
TITLE = (
    "Entropy part of one 768x512 image, 2 threads, untrained weights, ours at 0.5 bpp, milliseconds"
)
_rows: dict[str, tuple[float, float]] = {}


@functools.cache
def drawn(preset: str):
    """An untrained model, and y and z drawn from its tables at a photograph's rate."""
    return draw(Codec.untrained(preset).integers, HEIGHT // 16, WIDTH // 16, bpp=0.5)


def row(report, name: str, encode: float, decode: float) -> None:
    _rows[name] = encode, decode
    cells = {"model": name, "encode": f"{1e3 * encode:.1f}", "decode": f"{1e3 * decode:.1f}"}
    for ours in ("small", "base"):
        if f"mcm_fast {ours}" in _rows:
            mine = _rows[f"mcm_fast {ours}"]
            cells[f"{ours} is faster by"] = f"{encode / mine[0]:.1f}x / {decode / mine[1]:.1f}x"
        else:
            cells[f"{ours} is faster by"] = ""
    report(TITLE, cells)


@pytest.mark.parametrize("preset", ["small", "base"])
def test_ours(preset, report, threads):
    model, y, z = drawn(preset)
    engine = CpuEngine(model, threads)
    coded, _ = engine.encode(y, z, QUALITY)
    size = y.shape[1], y.shape[2]
    decoded = engine.decode(coded, *size, QUALITY)
    assert torch.equal(decoded[0], y) and torch.equal(decoded[1], z)
    encode = median(lambda: engine.encode(y, z, QUALITY))
    row(report, f"mcm_fast {preset}", encode, median(lambda: engine.decode(coded, *size, QUALITY)))


@pytest.mark.parametrize("name", ["ELIC", "mbt2018"])
def test_peer(name, report):
    try:
        model = peers.Model(name, HEIGHT, WIDTH)
    except ImportError as error:
        pytest.skip(str(error))
    found = model.encode()
    repeats = 1 if name == "mbt2018" else 3
    decode = median(lambda: model.decode(found), repeats)
    row(report, f"CompressAI {name}", median(model.encode, repeats), decode)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("preset", ["small", "base"])
def bench_decode(benchmark, preset, count):
    model, y, z = drawn(preset)
    engine = CpuEngine(model, count)
    coded, _ = engine.encode(y, z, QUALITY)
    decoded = benchmark(lambda: engine.decode(coded, *y.shape[1:], QUALITY))
    assert torch.equal(decoded[0], y)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("preset", ["small", "base"])
def bench_encode(benchmark, preset, count):
    model, y, z = drawn(preset)
    engine = CpuEngine(model, count)
    expected, _ = engine.encode(y, z, QUALITY)
    coded, _ = benchmark(lambda: engine.encode(y, z, QUALITY))
    assert coded.segments == expected.segments
