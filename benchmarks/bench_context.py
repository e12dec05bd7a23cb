"""The whole integer decoder against plain int8 matrix products of the same layers, one thread.

The products are torch's quantized linear layers (int8 weights, uint8 activations, requantised to 8
bits), in two shapes: each layer over all positions at once, which is more than the decoder can
have, and over the mean number of positions of a slice and step, as often as there are steps. Of the
second the cost of a call is taken off, measured with a product of 1 x 16 by 16 x 16: what is left
is the kernel. The decoder's time holds all that it does: products, requantisation, choice of
tables, range decoding; bench_instructions.py tells them apart.
"""

import pytest
import torch
from bench_codec import HEIGHT, WIDTH
from sampled import QUALITY, drawn
from timing import median

from mcm_fast.exact.cpu import CpuEngine

TITLE = "Integer decoder and plain int8 products of its shapes, one thread, 10^9 products a second"


def shapes(model, height: int, width: int):
    """(outputs, inputs, positions) of every layer."""
    shrink = {"hyper.0": 16, "hyper.1": 4}
    weights = ((name, model.tensors[f"{name}.weight"]) for name in model.layers)
    return [(len(w), w[0].numel(), height * width // shrink.get(name, 1)) for name, w in weights]


def linear_seconds(outputs: int, inputs: int, positions: int, calls: int = 1) -> float:
    """Of one product among `calls` that are timed together."""
    weight = torch.quantize_per_tensor(torch.randn(outputs, inputs), 0.02, 0, torch.qint8)
    packed = torch.ops.quantized.linear_prepack(weight, None)
    x = torch.quantize_per_tensor(torch.randn(positions, inputs), 0.05, 64, torch.quint8)
    linear = torch.ops.quantized.linear
    return median(lambda: [linear(x, packed, 0.1, 64) for _ in range(calls)]) / calls


def plain_seconds(layers) -> float:
    return sum(linear_seconds(*layer) for layer in layers)


def step_seconds(layers, steps: int) -> float:
    """Each layer at its mean positions a step, as often as it takes, without the cost of calls."""
    call = linear_seconds(16, 16, 1, 100)
    total = 0.0
    for outputs, inputs, positions in layers:
        a_step = max(1, round(positions / steps))
        kernel = linear_seconds(outputs, inputs, a_step, 100) - call
        total += max(kernel, 0.0) * positions / a_step
    return total


@pytest.mark.parametrize("preset", ["small", "base"])
def test_rate(preset, report, threads):
    model, y, z = drawn(preset, WIDTH, HEIGHT)
    engine = CpuEngine(model, 1)
    coded, _ = engine.encode(y, z, QUALITY)
    assert torch.equal(engine.decode(coded, *y.shape[1:], QUALITY)[0], y)
    layers = shapes(model, HEIGHT // 16, WIDTH // 16)
    steps = WIDTH // 16 + 4 * (HEIGHT // 16 - 1) + 6 * (model.slices - 1)
    work = sum(outputs * inputs * positions for outputs, inputs, positions in layers) / 1e9
    torch.set_num_threads(1)
    try:
        plain = work / plain_seconds(layers)
        stepped = work / step_seconds(layers, steps)
    finally:
        torch.set_num_threads(threads)
    decoder = work / median(lambda: engine.decode(coded, *y.shape[1:], QUALITY))
    alone = work / median(lambda: engine.parameters(y, z, QUALITY))
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
