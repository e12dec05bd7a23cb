"""The whole integer decoder against plain int8 matrix products of the same shapes, one thread.

The products are torch's quantized linear layers (int8 weights, uint8 activations, requantised to 8
bits), with as many positions as a slice has in the mean step of a 768x512 image, and with all of
them at once, which the decoder cannot have. The decoder's time holds all that it does: products,
requantisation, choice of tables, range decoding.
"""

import pytest
import torch
from bench_codec import HEIGHT, WIDTH, latents
from timing import median

from mcm_fast import Codec
from mcm_fast.exact.cpu import CpuEngine

TITLE = "Integer decoder and plain int8 products of its shapes, one thread, 10^9 products a second"


def shapes(model, height: int, width: int):
    """(outputs, inputs, positions in all) of every layer, and the mean positions of a slice."""
    steps = width + 4 * (height - 1) + 6 * (model.slices - 1)
    shrink = {"hyper.0": 16, "hyper.1": 4}
    layers = []
    for name in model.layers:
        weight = model.tensors[f"{name}.weight"]
        positions = height * width // shrink.get(name, 1)
        layers.append((weight.shape[0], weight[0].numel(), positions))
    return layers, round(height * width / steps)


def plain_seconds(layers, batch: int | None) -> float:
    """All layers as quantized linear layers for `batch` positions at a time; None: for all."""
    total = 0.0
    for outputs, inputs, positions in layers:
        count = batch or positions
        weight = torch.quantize_per_tensor(torch.randn(outputs, inputs), 0.02, 0, torch.qint8)
        packed = torch.ops.quantized.linear_prepack(weight, None)
        x = torch.quantize_per_tensor(torch.randn(count, inputs), 0.05, 64, torch.quint8)
        calls = 20 if batch else 1

        def run(x=x, packed=packed, calls=calls):
            for _ in range(calls):
                torch.ops.quantized.linear(x, packed, 0.1, 64)

        total += positions / count * median(run, 5) / calls
    return total


@pytest.mark.parametrize("preset", ["small", "base"])
def test_rate(preset, report, threads):
    codec = Codec.untrained(preset)
    engine = CpuEngine(codec.integers, 1)
    y, z = latents(codec)
    coded, _ = engine.encode(y, z, 5000)
    assert torch.equal(engine.decode(coded, *y.shape[1:], 5000)[0], y)
    layers, batch = shapes(codec.integers, HEIGHT // 16, WIDTH // 16)
    work = sum(outputs * inputs * positions for outputs, inputs, positions in layers) / 1e9
    torch.set_num_threads(1)
    try:
        same, at_once = (work / plain_seconds(layers, count) for count in (batch, None))
    finally:
        torch.set_num_threads(threads)
    decoder = work / median(lambda: engine.decode(coded, *y.shape[1:], 5000))
    alone = work / median(lambda: engine.parameters(y, z, 5000))
    report(
        TITLE,
        {
            "model": preset,
            f"plain, {batch} positions": f"{same:.1f}",
            "plain, all positions": f"{at_once:.1f}",
            "decoder": f"{decoder:.1f}",
            "encoder's layers": f"{alone:.1f}",
            "decoder / plain": f"{decoder / same:.0%}, {decoder / at_once:.0%}",
        },
    )
