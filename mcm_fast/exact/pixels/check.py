"""What a list of layers must hold before anything is computed with it: ValueError otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .layers import (
    EXP2_BITS,
    FACTORS,
    GAIN_SHIFT,
    HYPER_LIMIT,
    LAST,
    MAX_LAYERS,
    MAX_SCALE,
    MOST,
    SIGMOIDS,
    Activation,
    Layer,
    Operation,
)

if TYPE_CHECKING:
    from .rendering import Rendering

ACC_LIMIT, NORM_LIMIT, PRODUCT_LIMIT = 2**31, 2**30, 2**53
MAX_SIZE = 4096  # outputs of a layer, and inputs


def check(rendering: Rendering) -> tuple[list[int], list[int]]:
    """Channels of each tensor, and log2 of its positions a latent along a side."""
    tensors, layers = rendering.tensors, rendering.layers
    _need(0 < len(layers) <= MAX_LAYERS, f"{len(layers)} layers, not 1..{MAX_LAYERS}")
    _check_input(tensors)
    first = tensors.get("0.weight", np.empty((0, 0)))
    inputs = first.shape[1] if first.ndim == 4 else 0
    _need(tensors["gain"].shape[1] <= inputs, f"0.weight of {first.shape} has too few inputs")
    channels, scales = [inputs], [0]
    for i, layer in enumerate(layers):
        last = i == len(layers) - 1
        _check_fields(i, layer, scales, last)
        outputs = _check_shapes(i, layer, tensors, channels)
        channels.append(outputs if layer.operation else outputs // layer.factor**2)
        scales.append(scales[layer.source] + _log2_of(layer))
        _need(-MAX_SCALE <= scales[-1] <= MAX_SCALE, f"layer {i} has the scale 2^{scales[-1]}")
        for other in (layer.gate, layer.add):
            same = other < 0 or (channels[other], scales[other]) == (channels[-1], scales[-1])
            _need(same, f"layer {i} and tensor {other} differ in channels or scale")
        _check_bounds(i, layer, tensors, rendering.limits()[layer.source])
    _need(channels[-1] == 3, f"the last layer has {channels[-1]} channels, not 3")
    _need(scales[-1] >= 0, f"the image has the scale 2^{scales[-1]}")
    return channels, scales


def _need(holds: bool, message: str) -> None:
    if not holds:
        raise ValueError(message)


def _log2_of(layer: Layer) -> int:
    factor = layer.factor if layer.operation == Operation.CONV else 1
    return factor.bit_length() - 1 - (layer.kernel == 2)


def _check_input(tensors: dict[str, np.ndarray]) -> None:
    dimensions = {"input": 1, "gain": 2, "exp2": 1, "means": 2, "sigmoid": 1}
    for name, count in dimensions.items():
        shape = tensors[name].shape
        _need(len(shape) == count and 0 not in shape, f"{name} has the shape {shape}")
    _need(tensors["input"].shape == (2,), "input has not two numbers")
    limit, shift = tensors["input"].tolist()
    _need(0 < limit <= MOST and 0 <= shift <= 8, f"input is {limit}, {shift}")
    _need(HYPER_LIMIT << shift <= MOST, f"hyper features leave 16 bits: {shift}")
    gain, exp2 = tensors["gain"], tensors["exp2"]
    _need(2 <= len(gain) <= 256, f"{len(gain)} levels, not 2..256")
    least, most = int(gain.min()) >> 16, int(gain.max()) >> 16
    _need(most < GAIN_SHIFT and least >= GAIN_SHIFT - 52, f"gains of 2^{least} to 2^{most}")
    _need(exp2.shape == (1 << EXP2_BITS,), f"exp2 has {exp2.shape} entries")
    _need(exp2.min() >= 0 and exp2.max() <= 1 << 17, "exp2 leaves 0..2^17")
    _need(len(tensors["means"]) <= 256, "more than 256 indexes")
    sigmoid = tensors["sigmoid"]
    _need(sigmoid.shape == (2 * SIGMOIDS,) and sigmoid.min() >= -MOST, "sigmoid is no table")


def _check_fields(i: int, layer: Layer, scales: list[int], last: bool) -> None:
    text = f"layer {i}: {layer._asdict()}"
    conv = layer.operation == Operation.CONV
    known = layer.operation in tuple(Operation) and layer.activation in tuple(Activation)
    _need(known and layer.kernel in (1, 2, 3), text)
    _need(0 <= layer.source <= i and -1 <= layer.gate <= i and -1 <= layer.add <= i, text)
    _need(layer.factor in FACTORS if conv else 0 <= layer.factor <= 30, text)
    plain = layer.activation == Activation.NONE and layer.gate == layer.add == -1
    _need(conv or (plain and layer.kernel == 1), text)
    _need(0 < layer.limit <= MOST, text)
    _need(not last or (conv and plain and layer.limit == LAST), text)
    # The pixels' own tensor is uint8: nothing reads it.
    _need(scales[layer.source] - (layer.kernel == 2) >= -MAX_SCALE, text)


def _check_shapes(i: int, layer: Layer, tensors: dict[str, np.ndarray], channels: list[int]) -> int:
    names = ["weight", "multiplier", "bias"] + ["beta"] * (layer.operation != Operation.CONV)
    missing = [name for name in names if f"{i}.{name}" not in tensors]
    _need(not missing, f"the rendering has no {i}.{', '.join(missing)}")
    weight, inputs = tensors[f"{i}.weight"], channels[layer.source]
    expected = inputs, layer.kernel, layer.kernel
    _need(weight.shape[1:] == expected, f"{i}.weight has the shape {weight.shape}: {expected}")
    outputs = len(weight)
    _need(0 < outputs <= MAX_SIZE and 0 < inputs <= MAX_SIZE, f"{i}.weight is {weight.shape}")
    for name in names[1:]:
        shape = tensors[f"{i}.{name}"].shape
        _need(shape == (outputs,), f"{i}.{name} has the shape {shape}, not ({outputs},)")
    whole = outputs == inputs if layer.operation else outputs % layer.factor**2 == 0
    _need(whole, f"{i}.weight has {outputs} outputs")
    return outputs


def _check_bounds(i: int, layer: Layer, tensors: dict[str, np.ndarray], limit: int) -> None:
    weight = tensors[f"{i}.weight"].astype(np.int64).reshape(len(tensors[f"{i}.weight"]), -1)
    multiplier = np.abs(tensors[f"{i}.multiplier"].astype(np.int64))
    bias = tensors[f"{i}.bias"]
    least, most = int(bias.min()), int(bias.max())
    _need(-PRODUCT_LIMIT < least and most < PRODUCT_LIMIT, f"layer {i}: a bias of 53 bits")
    sums = np.abs(weight).sum(1)
    if layer.operation == Operation.CONV:
        largest = sums * limit
        _need(int(largest.max()) < ACC_LIMIT, f"layer {i}: an accumulator may leave 32 bits")
    else:
        square = min((limit**2 + (1 << layer.factor >> 1)) >> layer.factor, MOST)
        beta = tensors[f"{i}.beta"].astype(np.int64)
        _need(int(weight.min()) >= 0 and int(beta.min()) >= 0, f"layer {i}: a norm is negative")
        norm = int((sums * square + beta).max())
        _need(norm < NORM_LIMIT, f"layer {i}: a norm may leave 30 bits")
        largest = np.full(len(sums), limit * MOST)
    product = int((largest * multiplier + np.abs(bias)).max())  # below 2^63: it cannot wrap
    _need(product < PRODUCT_LIMIT, f"layer {i}: a product may leave 53 bits")
