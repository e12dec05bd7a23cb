"""The bounds of FORMAT.md, section 3, at their edges: Python and C++ take and refuse the same."""

import pytest
import torch

from mcm_fast.exact.cpu import CpuEngine
from mcm_fast.exact.model import ACC_LIMIT, BIAS_LIMIT, LIMIT, PRODUCT_LIMIT, SHIFT, IntegerModel
from mcm_fast.exact.reference import ReferenceEngine

SLICES, CHANNELS = 2, 15000
WIDE = f"slice.{SLICES - 1}.previous"  # 135000 inputs: enough weights for the largest accumulator
MOST = (ACC_LIMIT - 1) // LIMIT  # of the sum of |weight|


class Checked:
    """What C++ checks of a model, without Python's own check before it."""

    def __init__(self, tensors: dict[str, torch.Tensor], slices: int):
        self.tensors, self.slices = tensors, slices


def load_python(tensors: dict[str, torch.Tensor]) -> None:
    IntegerModel(tensors, SLICES)


def load_native(tensors: dict[str, torch.Tensor]) -> None:
    CpuEngine(Checked(tensors, SLICES), 1)


LOADERS = pytest.mark.parametrize("load", [load_python, load_native])


@pytest.fixture(scope="module")
def model() -> dict[str, torch.Tensor]:
    """The smallest model but for the channels of y; all weights, multipliers and biases zero."""
    shapes = {"hyper.0": (4, 1, 3, 3), "hyper.1": (4, 1, 3, 3), "hyper.2": (1, 1, 3, 3)}
    for k in range(SLICES):
        parts = {"context3": (1, 4, CHANNELS), "context5": (1, 12, CHANNELS)}
        parts |= {"context7": (1, 24, CHANNELS), "hidden": (1, 5 if k else 4)}
        parts |= {"head": (2 * CHANNELS, 1)} | ({"previous": (1, 9, k * CHANNELS)} if k else {})
        shapes |= {f"slice.{k}.{part}": shape for part, shape in parts.items()}
    tensors = {f"{n}.weight": torch.zeros(shape, dtype=torch.int8) for n, shape in shapes.items()}
    outputs, levels = sum(shape[0] for shape in shapes.values()), 2
    tensors["multiplier"] = torch.zeros(levels, outputs, dtype=torch.int32)
    tensors["bias"] = torch.zeros(levels, outputs, dtype=torch.int64)
    tables = 1 + levels
    return tensors | {
        "tables.cdf": torch.tensor([0, 1] * tables, dtype=torch.int16),
        "tables.start": 2 * torch.arange(tables + 1, dtype=torch.int32),
        "tables.minimum": torch.zeros(tables, dtype=torch.int32),
        "tables.shift": torch.tensor([4], dtype=torch.int8),
        "tables.first": torch.tensor([0], dtype=torch.int32),
    }


def column(model: dict[str, torch.Tensor], layer: str) -> int:
    """Of the layer's first output in multiplier and bias."""
    layers = IntegerModel(model, SLICES).layers
    return sum(len(model[f"{name}.weight"]) for name in layers[: layers.index(layer)])


def changed(model, magnitude: int, multiplier: int = 0, bias: int = 0):
    """The model whose wide layer has weights with this sum of magnitudes, and this affine map at
    the last level."""
    weight = torch.zeros(9 * CHANNELS, dtype=torch.int8)
    weight[: magnitude // 127] = 127
    weight[: magnitude // 127 : 2] = -127
    weight[-1] = magnitude % 127
    tensors = {name: tensor.clone() for name, tensor in model.items()}
    tensors[f"{WIDE}.weight"] = weight.view(model[f"{WIDE}.weight"].shape)
    tensors["multiplier"][-1, column(model, WIDE)] = multiplier
    tensors["bias"][-1, column(model, WIDE)] = bias
    return tensors


@LOADERS
def test_accumulator(model, load):
    load(changed(model, MOST))
    with pytest.raises(ValueError, match="32 bits"):
        load(changed(model, MOST + 1))


@LOADERS
@pytest.mark.parametrize("sign", [1, -1])
def test_bias(model, load, sign):
    load(changed(model, 1, 0, sign * (BIAS_LIMIT - 1)))
    with pytest.raises(ValueError, match="bias"):
        load(changed(model, 1, 0, sign * BIAS_LIMIT))


@LOADERS
@pytest.mark.parametrize("sign", [1, -1])
def test_product(model, load, sign):
    multiplier, rest = divmod(PRODUCT_LIMIT - 1, MOST * LIMIT)
    assert rest < BIAS_LIMIT - 1
    load(changed(model, MOST, sign * multiplier, sign * rest))
    with pytest.raises(ValueError, match="requantisation|overflow"):
        load(changed(model, MOST, sign * multiplier, -sign * (rest + 1)))


@pytest.mark.parametrize("quality", [3333, 10000])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_largest_sums_are_the_same(model, quality, sign):
    """At the edges of accumulator and product at once, at a level and between two: the wide layer's
    activation, handed on to mu, has the right sign."""
    multiplier, rest = divmod(PRODUCT_LIMIT - 1, MOST * LIMIT)
    tensors = changed(model, MOST, multiplier, sign * rest)
    for part, entry in (("hidden", 4), ("head", 0)):  # both hand it on
        name = WIDE.replace("previous", part)
        tensors[f"{name}.weight"][0, entry] = 1
        tensors["multiplier"][:, column(model, name)] = 1 << SHIFT
    integers = IntegerModel(tensors, SLICES)
    y = torch.zeros(SLICES * CHANNELS, 3, 3, dtype=torch.int16)
    signs = tensors[f"{WIDE}.weight"].view(9, CHANNELS).sign()
    y[:CHANNELS] = sign * 300 * signs.T.view(CHANNELS, 3, 3)
    z = torch.zeros(1, 1, 1, dtype=torch.int16)
    native = CpuEngine(integers, 1).parameters(y, z, quality)
    reference = ReferenceEngine(integers).parameters(y, z, quality)
    assert torch.equal(native.mu, reference.mu)
    # The hidden layer's activation divides what is negative by four.
    assert native.mu[CHANNELS, 1, 1] == (LIMIT if sign > 0 else (2 - LIMIT) >> 2)
