"""A model's integers as they lie in a device's memory, for `layer.py`, `context.py` and `hyper.py`.

* A layer's outputs are padded to a power of two (at least 32) or to whole blocks of 64. What pads
  has weight, multiplier and bias zero, and so gives v = 0.
* Its inputs are padded to chunks of 128; what the hidden layer takes from a part, as that part's
  outputs are. weight[block of outputs][chunk][outputs][inputs], int8: a program reads a chunk as
  one run of memory, and inputs lie side by side, as products of int8 want them.
* Inputs of a convolution are tap by tap, channels innermost, as y lies in memory; those of
  `previous` slice by slice, then tap by tap, with room for the last slice's.
* Outputs before a depth-to-space are sorted by the part of the 2 x 2 block that they go to.
* A slice's layers follow each other, at the same places for each slice (`sizes.py`): the hidden
  layer's weights for the hyper features; context3, context5, context7 and previous, each with its
  urgent taps' (`kernels/step.py`) and the hidden layer's weights for it behind; mu; index.
* Behind a part lie its urgent taps once more, tap after tap; in `lazy_weight` they lie there only,
  and have weight 0 in their places.
* Multipliers and biases of all packed outputs form one row a level: for each slice context3,
  context5, context7, previous, hidden, mu, index; then hyper.0, hyper.1, hyper.2.

Twin: `csrc/layer.h:pack_weight`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..model import FRACTIONS, IntegerModel
from .sizes import PARTS, URGENT, HyperSizes, context_sizes, hyper_sizes, padded


class PackedModel:
    """Everything that kernels read of a model.

    Attributes:
        context: ContextSizes. hyper: HyperSizes of the three layers.
        weight, lazy_weight: int8 [slices, context.weights], for `context_all` and for the step.
        hyper_weights: of each layer, int8 [blocks, chunks, block, chunk].
        multiplier, bias: int32, int64 [levels, context.rows].
        numbers: int32 [I, 16], the table of an index and mu modulo 16; ~table if it is certain.
        values: int32 [I, 16], what is added to mu div 16: 1 if mu is rounded up to the next base,
            and the minimum of a table that is certain.
    """

    def __init__(self, model: IntegerModel, device: torch.device | str = "cpu"):
        self.context, self.hyper = context_sizes(model), hyper_sizes(model)
        self.levels = model.levels
        slices = range(model.slices)
        self.weight, self.lazy_weight = (
            torch.stack([_slice_weights(model, k, self.context, lazy) for k in slices]).to(device)
            for lazy in (False, True)
        )
        rows = [_slice_rows(model, k, self.context) for k in slices]
        self.hyper_weights = []
        for i, sizes in enumerate(self.hyper):
            weight, order = _hyper_layer(model, f"hyper.{i}", sizes)
            self.hyper_weights.append(weight.to(device))
            rows.append(_rows(model, f"hyper.{i}", order, padded(len(order), sizes.block)))
        source = torch.cat(rows)
        self.multiplier, self.bias = (
            torch.where(source < 0, 0, model.tensors[name][:, source]).contiguous().to(device)
            for name in ("multiplier", "bias")
        )
        self.numbers, self.values = (t.int().to(device) for t in _lookups(model))


def pack_weight(weight: Tensor, outputs: int, inputs: int, block: int, chunk: int) -> Tensor:
    """An int8 matrix, padded with zeros to [outputs, inputs], as [blocks, chunks, block, chunk]."""
    weight = F.pad(weight, (0, inputs - weight.shape[1], 0, outputs - weight.shape[0]))
    return weight.view(-1, block, inputs // chunk, chunk).transpose(1, 2).contiguous()


def _slice_weights(model: IntegerModel, k: int, sizes, lazy: bool) -> Tensor:
    """int8 [sizes.weights]; `lazy`: as the decoder has them."""
    hidden, height, chunk = _weight(model, k, "hidden"), sizes.hidden, sizes.chunk
    features, *others = hidden.split([sizes.hyper_channels, *_part_outputs(model, k)], 1)
    packed = [pack_weight(features, height, padded(sizes.hyper_channels, chunk), height, chunk)]
    for name, columns in zip(PARTS, others, strict=True):
        part = getattr(sizes, name)
        weight = _weight(model, k, name)
        rest, urgent = _by_haste(weight, name, k, sizes.slice_channels)
        weight = rest if lazy else weight
        packed.append(pack_weight(weight, part.outputs, part.inputs, part.outputs, chunk))
        packed += [
            pack_weight(tap, part.outputs, sizes.tap, part.outputs, sizes.tap) for tap in urgent
        ]
        packed.append(pack_weight(columns, height, part.outputs, height, part.outputs))
    for half in _weight(model, k, "head").chunk(2):
        packed.append(pack_weight(half, sizes.head, height, sizes.head, height))
    return torch.cat([weight.flatten() for weight in packed])


def _by_haste(weight: Tensor, name: str, k: int, channels: int) -> tuple[Tensor, list[Tensor]]:
    """A part's weight without its urgent taps, and that of each of these: [outputs, channels]."""
    if name == "previous" and k == 0:
        return weight, [weight] * len(URGENT[name])
    first = 9 * (k - 1) if name == "previous" else 0
    columns = [slice((first + t) * channels, (first + t + 1) * channels) for t in URGENT[name]]
    lazy = weight.clone()
    for column in columns:
        lazy[:, column] = 0
    return lazy, [weight[:, column] for column in columns]


def _part_outputs(model: IntegerModel, k: int) -> list[int]:
    return [len(_weight(model, k, name)) for name in PARTS]


def _weight(model: IntegerModel, k: int, part: str) -> Tensor:
    """[outputs, inputs] of one part of slice k, inputs in the order of packing."""
    if part != "previous":
        return model.tensors[f"slice.{k}.{part}.weight"].flatten(1)
    if k == 0:
        return torch.zeros(0, 0, dtype=torch.int8)
    weight = model.tensors[f"slice.{k}.previous.weight"]
    return weight.unflatten(2, (k, -1)).transpose(1, 2).flatten(1)


def _slice_rows(model: IntegerModel, k: int, sizes) -> Tensor:
    outputs = [getattr(sizes, name).outputs for name in PARTS] + [sizes.hidden]
    rows = [
        _rows(model, f"slice.{k}.{part}", torch.arange(len(_weight(model, k, part))), size)
        for part, size in zip((*PARTS, "hidden"), outputs, strict=True)
    ]
    halves = torch.arange(2 * sizes.slice_channels).chunk(2)
    rows += [_rows(model, f"slice.{k}.head", half, sizes.head) for half in halves]
    return torch.cat(rows)


def _rows(model: IntegerModel, layer: str, order: Tensor, size: int) -> Tensor:
    """The columns of the model's `multiplier` and `bias` that belong to a layer's packed outputs:
    int64 [size], -1 for none. `order`: the layer's outputs in the order of packing."""
    columns = order
    if len(order):  # slice 0 has no `previous`
        before = model.layers[: model.layers.index(layer)]
        columns = order + sum(len(model.tensors[f"{name}.weight"]) for name in before)
    return F.pad(columns, (0, size - len(order)), value=-1)


def _hyper_layer(model: IntegerModel, name: str, sizes: HyperSizes) -> tuple[Tensor, Tensor]:
    """Packed weight, and its outputs in the order of packing."""
    order = torch.arange(sizes.outputs)
    if sizes.upsamples:  # output 4 c + part
        order = order.view(-1, 4).T.flatten()
    weight = model.tensors[f"{name}.weight"][order].permute(0, 2, 3, 1).flatten(1)
    height = padded(sizes.outputs, sizes.block)
    return pack_weight(weight, height, sizes.taps, sizes.block, sizes.chunk), order


def _lookups(model: IntegerModel) -> tuple[Tensor, Tensor]:
    """numbers, values: see PackedModel. Rounding to fewer fractions may carry into the base."""
    shift, first, start, minimum = (
        model.tensors[f"tables.{name}"].long() for name in ("shift", "first", "start", "minimum")
    )
    rounded = torch.arange(FRACTIONS) + ((1 << shift) >> 1)[:, None]
    table = first[:, None] + ((rounded & (FRACTIONS - 1)) >> shift[:, None])
    certain = start[table + 1] - start[table] == 2
    base = rounded // FRACTIONS
    return torch.where(certain, ~table, table), base + torch.where(certain, minimum[table], 0)
