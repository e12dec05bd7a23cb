"""The whole integer decoder against plain int8 matrix products of the same layers, one thread.

The products are torch's quantized linear layers (int8 weights, uint8 activations, requantised to 8
bits), each over all positions at once. That is more than the decoder can have, which takes some 7
positions of a slice at a time; at that size torch's time is mostly the cost of the calls, and
would flatter us. The decoder's time holds all that it does: products, requantisation, choice of
tables, range decoding.
"""

import pytest
import torch
from bench_codec import HEIGHT, WIDTH, drawn
from sampled import QUALITY
from timing import median

from mcm_fast.exact.cpu import CpuEngine

TITLE = "Integer decoder and plain int8 products of its shapes, one thread, 10^9 products a second"


def shapes(model, height: int, width: int):
    """(outputs, inputs, positions) of every layer."""
    shrink = {"hyper.0": 16, "hyper.1": 4}
    weights = ((name, model.tensors[f"{name}.weight"]) for name in model.layers)
    return [(len(w), w[0].numel(), height * width // shrink.get(name, 1)) for name, w in weights]


def plain_seconds(layers) -> float:
    total = 0.0
    for outputs, inputs, positions in layers:
        weight = torch.quantize_per_tensor(torch.randn(outputs, inputs), 0.02, 0, torch.qint8)
        packed = torch.ops.quantized.linear_prepack(weight, None)
        x = torch.quantize_per_tensor(torch.randn(positions, inputs), 0.05, 64, torch.quint8)
        total += median(lambda x=x, p=packed: torch.ops.quantized.linear(x, p, 0.1, 64))
    return total


@pytest.mark.parametrize("preset", ["small", "base"])
def test_rate(preset, report, threads):
    model, y, z = drawn(preset)
    engine = CpuEngine(model, 1)
    coded, _ = engine.encode(y, z, QUALITY)
    assert torch.equal(engine.decode(coded, *y.shape[1:], QUALITY)[0], y)
    layers = shapes(model, HEIGHT // 16, WIDTH // 16)
    work = sum(outputs * inputs * positions for outputs, inputs, positions in layers) / 1e9
    torch.set_num_threads(1)
    try:
        plain = work / plain_seconds(layers)
    finally:
        torch.set_num_threads(threads)
    decoder = work / median(lambda: engine.decode(coded, *y.shape[1:], QUALITY))
    alone = work / median(lambda: engine.parameters(y, z, QUALITY))
    report(
        TITLE,
        {
            "model": preset,
            "plain products": f"{plain:.1f}",
            "decoder": f"{decoder:.1f}",
            "encoder's layers": f"{alone:.1f}",
            "decoder / plain": f"{decoder / plain:.0%}",
        },
    )
