"""Renderings for tests: a tiny network's, and a list that no network has."""

from __future__ import annotations

import copy

import numpy as np
import torch

from mcm_fast.exact.engines import make_engine
from mcm_fast.exact.pixels.calibrate import Sample, samples_of
from mcm_fast.exact.pixels.layers import Activation, Layer, Operation
from mcm_fast.exact.pixels.quantize import export_pixels
from mcm_fast.exact.pixels.rendering import Rendering
from mcm_fast.exact.pixels.tables import exp2_table, means_table, no_means, sigmoid_table
from mcm_fast.exact.quantize import export
from mcm_fast.network.model import Network
from mcm_fast.network.preview import Preview
from mcm_fast.presets import config_of


def tiny_network(seed: int = 0) -> Network:
    """Every weight matters: a new network's branches and trunks are zero."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Network(config_of("tiny")).randomize().eval().requires_grad_(False)
        for parameter in network.synthesis.parameters():
            if not parameter.any():
                parameter.normal_(0, 0.1)
        network.synthesis.conv.weight[:, network.config.latent :].normal_(0, 0.05)
    return network


def tiny_preview(seed: int = 0) -> Preview:
    """For the tiny network; every weight matters."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        preview = Preview(config_of("tiny")).eval().requires_grad_(False)
        preview.gather.weight.normal_(0, 0.1)
        preview.last.weight.normal_(0, 0.02)
    return preview


def pictures() -> list[torch.Tensor]:
    """Something smooth, and noise."""
    x = torch.linspace(0, 6, 128)
    smooth = torch.stack([127 + 120 * torch.sin(a * x)[:, None] * torch.cos(x) for a in (1, 2, 3)])
    noise = torch.randint(0, 256, (3, 64, 64), generator=torch.Generator().manual_seed(1))
    return [smooth.to(torch.uint8), noise.to(torch.uint8)]


def tiny_rendering(path) -> tuple[Network, Rendering, list[Sample]]:
    """A tiny network, its faithful rendering as it is written to `path` with previews, and
    samples."""
    network = tiny_network()
    integers = export(network)
    renderings = {"faithful": network.synthesis}
    found = export_pixels(network, integers, renderings, pictures(), path, tiny_preview())
    engine = make_engine(integers, None, torch.device("cpu"))
    return network, found["faithful"], samples_of(network, engine, pictures())


# source, kernel, activation, gate, add, factor, limit, and outputs: odd numbers of channels,
# operands of a depth-to-space, pairs of odd sizes, an inverse GDN at the ends of its range.
ODD = [
    (0, 3, Activation.LEAKY, -1, -1, 1, 4095, 19),
    (1, 2, Activation.LEAKY, -1, -1, 1, 32767, 5),
    (2, 3, Activation.SIGMOID, -1, -1, 2, 32767, 19 * 4),
    (1, 1, Activation.NONE, 3, 1, 1, 30000, 19),
    (4, 1, None, -1, -1, 15, 20001, 19),
    (5, 3, Activation.NONE, -1, -1, 2, 1000, 7 * 4),
    (5, 1, Activation.LEAKY, 6, 6, 2, 777, 7 * 4),
    (7, 2, Activation.SIGMOID, -1, -1, 2, 32767, 33 * 4),
    (8, 3, Activation.NONE, -1, -1, 4, 255, 3 * 16),
]


# A preview's, with odd numbers of channels; its last factor is 2 for an eighth, 1 for a sixteenth.
SMALL = [
    (0, 3, Activation.NONE, -1, -1, 1, 9001, 19),
    (1, 3, Activation.LEAKY, -1, -1, 1, 8999, 33),
    (2, 1, Activation.NONE, -1, 1, 1, 9001, 19),
    (3, 1, None, -1, -1, 13, 20001, 19),
]


def odd_rendering(seed: int = 0) -> Rendering:
    """Random weights whose sums come near 2^31; 5 latent channels and 4 hyper features."""
    return _random_rendering(seed, ODD, 9)


def odd_preview(scale: int, seed: int = 0) -> Rendering:
    """Random weights; 5 latent channels, of which alone it makes pixels."""
    factor = 16 // scale
    last = 4, 3, Activation.NONE, -1, -1, factor, 255, 3 * factor**2
    rendering = _random_rendering(seed, [*SMALL, last], 5)
    return Rendering(rendering.tensors | {"means": no_means()})


def _random_rendering(seed: int, layers: list[tuple], channels: int) -> Rendering:
    rng = np.random.default_rng(seed)
    tensors = {
        "input": np.array([9000, 5], np.int32),
        "gain": rng.integers(-(2**17), 2**17, (3, 5), np.int32),
        "exp2": exp2_table(),
        "means": means_table(),
        "sigmoid": sigmoid_table(),
    }
    rows, inputs, limits = [], [channels], [9000]
    for i, (source, kernel, activation, gate, add, factor, limit, outputs) in enumerate(layers):
        size = outputs, inputs[source], kernel, kernel
        gdn = activation is None
        tensors |= _random_layer(rng, i, size, limits[source], factor if gdn else None)
        operation = Operation.INVERSE_GDN if gdn else Operation.CONV
        fields = operation, source, kernel, activation or 0, gate, add, factor, limit
        rows.append(Layer(*fields))
        inputs.append(outputs if gdn else outputs // factor**2)
        limits.append(limit)
    return Rendering(tensors | {"layers": np.array(rows, np.int32)})


def _random_layer(rng, i: int, size: tuple, limit: int, shift: int | None) -> dict:
    weight = rng.integers(-32767, 32768, size)
    weight[0] = 32767  # a row of one sign
    sums = np.abs(weight).sum((1, 2, 3))
    tensors = {}
    if shift is None:
        room = (2**31 - 1) / limit
        spread = 2.0 ** rng.integers(6, 17, len(sums)) / (room * limit) * 2**30
    else:
        weight = np.abs(weight)
        room = (2**30 - 1) / min(32767, (limit**2 + (1 << shift >> 1)) >> shift) / 2
        spread = np.full(len(sums), 2.0**14 / (limit * 2**14) * 2**30)
        tensors["beta"] = rng.integers(0, 2**29, len(sums))
    scale = np.minimum(1, room / sums)[:, None, None, None]
    tensors["weight"] = np.trunc(weight * scale)
    tensors["multiplier"] = np.maximum(1, spread) * rng.choice((-1, 1), len(sums))
    tensors["bias"] = rng.integers(-(2**43), 2**43, len(sums))
    types = {"weight": np.int16, "multiplier": np.int32, "bias": np.int64, "beta": np.int32}
    return {f"{i}.{name}": t.astype(types[name]) for name, t in tensors.items()}


def changed(rendering: Rendering, name: str, place, value) -> dict[str, np.ndarray]:
    """The rendering's tensors with one number, or a whole tensor (place None), replaced."""
    tensors = copy.deepcopy(rendering.tensors)
    if place is None:
        tensors[name] = value
    else:
        tensors[name][place] = value
    return tensors


def latents_for(rendering: Rendering, height: int, width: int, spread: float, seed: int = 0):
    """y, mu, indexes and hyper, and a quality: random, with both ends of their ranges."""
    rng = np.random.default_rng(seed)
    shape = rendering.y_channels, height, width
    y = np.clip(rng.normal(0, spread, shape), -32768, 32767).astype(np.int16)
    mu = np.clip(16 * y.astype(int) + rng.normal(0, 30, shape), -32768, 32767).astype(np.int16)
    indexes = rng.integers(0, len(rendering.tensors["means"]), shape).astype(np.uint8)
    features = rendering.hyper_channels, height, width
    hyper = rng.integers(-128, 128, features).astype(np.int8)
    return (y, mu, indexes, hyper), int(rng.integers(0, 10001))
