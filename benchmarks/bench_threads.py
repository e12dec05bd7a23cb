"""Two threads against one, called in turn: at no size, in no direction, should two be slower."""

import statistics

import pytest
import torch
from sampled import QUALITY, drawn
from timing import interleaved

from mcm_fast.exact.cpu import CpuEngine

TITLE = "Two threads against one: entropy part, milliseconds"
SETTLED = 768 * 512  # pixels; a larger picture takes too long to draw in full
SIZES = [(256, 256), (768, 512), (1920, 1088)]


@pytest.mark.parametrize("size", SIZES, ids=lambda size: "{}x{}".format(*size))
@pytest.mark.parametrize("preset", ["small", "base"])
def test_two_against_one(preset, size, report):
    width, height = size
    passes = None if width * height <= SETTLED else 3
    model, y, z = drawn(preset, width, height, passes)
    engines = [CpuEngine(model, threads) for threads in (1, 2)]
    [(coded, _)] = engines[0].encode([(y, z, QUALITY)])
    for engine in engines:
        assert engine.encode([(y, z, QUALITY)])[0][0].segments == coded.segments
        [decoded] = engine.decode([(coded, *y.shape[1:], QUALITY)])
        assert torch.equal(decoded[0], y) and torch.equal(decoded[1], z)
    decode = [lambda e=e: e.decode([(coded, *y.shape[1:], QUALITY)]) for e in engines]
    encode = [lambda e=e: e.encode([(y, z, QUALITY)]) for e in engines]
    repeats = 7 if passes else 21
    for direction, functions in (("encode", encode), ("decode", decode)):
        one, two = interleaved(functions, repeats)
        report(TITLE, row(f"{preset} {width}x{height}", direction, one, two))


def row(model: str, direction: str, one: list[float], two: list[float]) -> dict[str, str]:
    medians = statistics.median(one), statistics.median(two)
    return {
        "model and size": model,
        "direction": direction,
        "one thread": f"{1e3 * medians[0]:.1f}",
        "two threads": f"{1e3 * medians[1]:.1f}",
        "two are faster by": f"{medians[0] / medians[1]:.2f}x",
        "fastest of each": f"{min(one) / min(two):.2f}x",
    }
