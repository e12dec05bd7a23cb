"""The whole integer decoder against plain int8 matrix products of the same layers, one thread.

The products are torch's quantized linear layers (int8 weights, uint8 activations, requantised to 8
bits), in two shapes: each layer over all positions at once, which is more than the decoder can
have, and step by step: every layer once, over the mean number of positions that a step has for it,
then the next step, so that weights come from where the decoder's come from. Step by step, call
overhead dominates: it is measured with products of 1 x 16 by 16 x 16 and subtracted. The decoder's
time holds all that it does: products, requantisation, choice of tables, range decoding;
bench_instructions.py tells them apart.
"""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from bench_codec import HEIGHT, WIDTH
from sampled import QUALITY, drawn
from timing import median

from mcm_fast.exact.cpu import CpuEngine
from mcm_fast.exact.wavefront import wavefront_steps

TITLE = "Integer decoder and plain int8 products of its shapes, one thread, 10^9 products a second"


def shapes(model, height: int, width: int):
    """(outputs, inputs, positions) of every layer."""
    shrink = {"hyper.0": 16, "hyper.1": 4}
    weights = ((name, model.tensors[f"{name}.weight"]) for name in model.layers)
    return [(len(w), w[0].numel(), height * width // shrink.get(name, 1)) for name, w in weights]


def products(layers) -> list[Callable[[], object]]:
    """Plain products, ready to be called."""
    calls = []
    for outputs, inputs, positions in layers:
        weight = torch.quantize_per_tensor(torch.randn(outputs, inputs), 0.02, 0, torch.qint8)
        packed = torch.ops.quantized.linear_prepack(weight, None)
        x = torch.quantize_per_tensor(torch.randn(positions, inputs), 0.05, 64, torch.quint8)
        calls.append(partial(torch.ops.quantized.linear, x, packed, 0.1, 64))
    return calls


def seconds(calls, repeats: int) -> float:
    """Of all of them once."""
    return median(lambda: [call() for call in calls], repeats)


def plain_rate(layers) -> float:
    return work(layers) / sum(seconds([call], 9) for call in products(layers))


def step_rate(layers, steps: int) -> float:
    """Without the cost of calls."""
    layers = [(o, i, max(1, round(positions / steps))) for o, i, positions in layers]
    empty = products([(16, 16, 1)] * len(layers))
    return work(layers) / (seconds(products(layers), 501) - seconds(empty, 501))


def work(layers) -> float:
    """10^9 products."""
    return sum(outputs * inputs * positions for outputs, inputs, positions in layers) / 1e9


@pytest.mark.parametrize("preset", ["small", "base"])
def test_rate(preset, report, threads):
    model, y, z = drawn(preset, WIDTH, HEIGHT)
    engine = CpuEngine(model, 1)
    [(coded, _)] = engine.encode([(y, z, QUALITY)])
    assert torch.equal(engine.decode([(coded, *y.shape[1:], QUALITY)])[0][0], y)
    layers = shapes(model, HEIGHT // 16, WIDTH // 16)
    steps = wavefront_steps(HEIGHT // 16, WIDTH // 16, model.slices)
    torch.set_num_threads(1)
    try:
        plain, stepped = plain_rate(layers), step_rate(layers, steps)
    finally:
        torch.set_num_threads(threads)
    decoder = work(layers) / median(lambda: engine.decode([(coded, *y.shape[1:], QUALITY)]))
    alone = work(layers) / median(lambda: engine.parameters(y, z, QUALITY))
    report(
        TITLE,
        {
            "model": preset,
            "plain products": f"{plain:.1f}",
            "plain, a step at a time": f"{stepped:.1f}",
            "decoder": f"{decoder:.1f}",
            "encoder's layers": f"{alone:.1f}",
            "decoder / plain": f"{decoder / plain:.0%}",
            "decoder / plain, a step at a time": f"{decoder / stepped:.0%}",
        },
    )
