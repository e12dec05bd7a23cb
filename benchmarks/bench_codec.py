"""The entropy part of a 768x512 image, latents to bytes and back, beside CompressAI's."""

import peers
import pytest
import torch
from timing import median

from mcm_fast import Codec
from mcm_fast.exact.cpu import CpuEngine

HEIGHT, WIDTH = 512, 768
TITLE = "Entropy part of one 768x512 image, 2 threads, untrained weights, milliseconds"
_rows: dict[str, tuple[float, float]] = {}


def latents(codec: Codec):
    """Normal latents that the untrained tables do not expect: many times a photograph's rate."""
    generator = torch.Generator().manual_seed(0)
    shapes = (
        (codec.integers.latent, HEIGHT // 16, WIDTH // 16),
        (codec.integers.hyper_latent, HEIGHT // 64, WIDTH // 64),
    )
    return [(1.2 * torch.randn(s, generator=generator)).round().to(torch.int16) for s in shapes]


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
    codec = Codec.untrained(preset)
    engine = CpuEngine(codec.integers, threads)
    y, z = latents(codec)
    coded, _ = engine.encode(y, z, 5000)
    size = y.shape[1], y.shape[2]
    decoded = engine.decode(coded, *size, 5000)
    assert torch.equal(decoded[0], y) and torch.equal(decoded[1], z)
    encode = median(lambda: engine.encode(y, z, 5000))
    row(report, f"mcm_fast {preset}", encode, median(lambda: engine.decode(coded, *size, 5000)))


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
    codec = Codec.untrained(preset)
    engine = CpuEngine(codec.integers, count)
    y, z = latents(codec)
    coded, _ = engine.encode(y, z, 5000)
    decoded = benchmark(lambda: engine.decode(coded, *y.shape[1:], 5000))
    assert torch.equal(decoded[0], y)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("preset", ["small", "base"])
def bench_encode(benchmark, preset, count):
    codec = Codec.untrained(preset)
    engine = CpuEngine(codec.integers, count)
    y, z = latents(codec)
    expected, _ = engine.encode(y, z, 5000)
    coded, _ = benchmark(lambda: engine.encode(y, z, 5000))
    assert coded.segments == expected.segments
