"""The sizes that kernels are compiled for, and where each layer lies in the packed weights.

Frozen, so that one object is a kernel's one compile-time argument. `packing.py` says what
lies there.
"""

from __future__ import annotations

import dataclasses

from ..model import CONTEXTS, IntegerModel

CHUNK = 128  # inputs of one product: of 16 positions and 128 threads, 32 bytes of y for each
LEAST = 32  # outputs of a layer: they are inputs of the next, and int8 products take 32 at least
HYPER_BLOCK = 64  # outputs of one program of the hyper-synthesis
PARTS = (*CONTEXTS, "previous")
# Of each part, the taps that the step before has decoded (kernels/step.py): their numbers among
# those of its window. `previous` has its own in the slice just before alone.
URGENT = {"context3": (3,), "context5": (11,), "context7": (23, 20), "previous": (8,)}


@dataclasses.dataclass(frozen=True)
class Part:
    """One of context3, context5, context7, previous."""

    radius: int  # of its window; 0: previous
    inputs: int  # padded; of `previous`: those of the last slice
    outputs: int  # padded
    weight: int  # where its weights begin in a slice's
    urgent: int  # where those of its urgent taps begin
    hidden: int  # where the hidden layer's for its outputs begin
    row: int  # where its multipliers and biases begin in a slice's


@dataclasses.dataclass(frozen=True)
class ContextSizes:
    slices: int
    slice_channels: int
    hyper_channels: int
    indexes: int
    context3: Part
    context5: Part
    context7: Part
    previous: Part
    hidden: int  # outputs, padded
    head: int  # outputs of mu, and of index, padded
    weights: int  # bytes of a slice
    slice_rows: int
    rows: int  # of all layers
    tap: int  # inputs of an urgent tap: a slice's channels, padded
    chunk: int = CHUNK

    @property
    def y_channels(self) -> int:
        """M, channels of y."""
        return self.slices * self.slice_channels

    @property
    def sums(self) -> int:
        """Lazy sums of a position: of all parts, then of the hidden layer."""
        return self.hidden_row + self.hidden

    @property
    def hidden_row(self) -> int:
        return self.previous.row + self.previous.outputs

    @property
    def head_weight(self) -> int:
        return self.weights - 2 * self.head * self.hidden


@dataclasses.dataclass(frozen=True)
class HyperSizes:
    """One layer of the hyper-synthesis."""

    inputs: int  # channels
    outputs: int
    taps: int  # inputs of all taps, padded
    planar: bool  # z, the first layer's input; others have channels innermost
    upsamples: bool  # depth-to-space by 2
    scale: int  # of its input's sides against z's
    first_row: int
    rows: int  # of all layers
    chunk: int = CHUNK
    block: int = HYPER_BLOCK


def context_sizes(model: IntegerModel) -> ContextSizes:
    channels = model.slice_channels
    hidden, head = padded_outputs(model, "hidden"), power_of_two(max(channels, LEAST))
    weight, row, parts = padded(model.hyper_channels, CHUNK) * hidden, 0, {}
    for radius, taps, name in zip((1, 2, 3, 0), (4, 12, 24, 0), PARTS, strict=True):
        inputs = padded(taps * channels or 9 * (model.y_channels - channels), CHUNK)
        outputs = padded_outputs(model, name)
        urgent = weight + inputs * outputs
        out = urgent + len(URGENT[name]) * head * outputs
        parts[name] = Part(radius, inputs, outputs, weight, urgent, out, row)
        weight, row = out + outputs * hidden, row + outputs
    return ContextSizes(
        slices=model.slices,
        slice_channels=channels,
        hyper_channels=model.hyper_channels,
        indexes=len(model.tensors["tables.shift"]),
        **parts,
        hidden=hidden,
        head=head,
        weights=weight + 2 * head * hidden,
        tap=head,
        slice_rows=row + hidden + 2 * head,
        rows=model.slices * (row + hidden + 2 * head) + sum(map(_hyper_rows, _hyper_shapes(model))),
    )


def hyper_sizes(model: IntegerModel) -> list[HyperSizes]:
    """Of the three layers."""
    context, shapes = context_sizes(model), _hyper_shapes(model)
    first = context.slices * context.slice_rows
    layers = []
    for i, (outputs, inputs, *_) in enumerate(shapes):
        layers.append(
            HyperSizes(
                inputs=inputs,
                outputs=outputs,
                taps=padded(9 * inputs, CHUNK),
                planar=i == 0,
                upsamples=i < 2,
                scale=1 << i,
                first_row=first + sum(map(_hyper_rows, shapes[:i])),
                rows=context.rows,
            )
        )
    return layers


def padded(n: int, multiple: int) -> int:
    return -(-n // multiple) * multiple


def power_of_two(n: int) -> int:
    """The least one that is not below n >= 1."""
    return 1 << (n - 1).bit_length()


def padded_outputs(model: IntegerModel, part: str) -> int:
    """Of a part of a slice; the same for all slices."""
    names = [f"slice.{k}.{part}.weight" for k in range(model.slices)]
    most = max(len(model.tensors[name]) for name in names if name in model.tensors)
    return power_of_two(max(most, LEAST))


def _hyper_shapes(model: IntegerModel) -> list[tuple[int, ...]]:
    return [tuple(model.tensors[f"hyper.{i}.weight"].shape) for i in range(3)]


def _hyper_rows(shape: tuple[int, ...]) -> int:
    return padded(shape[0], HYPER_BLOCK)
