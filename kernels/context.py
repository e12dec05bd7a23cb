"""The context model and the choice of tables (FORMAT.md, sections 3 and 4). Twins: `csrc/context.h`
and `exact/reference.py:context_parameters`. A layer's arithmetic is in `layer.py`;
`exact/cuda/packing.py` says how weights lie in memory.

A program of `context_all`, the encoder, computes everything for some positions of one slice of one
image; the features of a part (context3, context5, context7, previous) go from registers into the
sums of the hidden layer at once. The decoder takes the same functions apart: `step.py`.

Images lie one after the other: image b's positions begin at number begin[b], by row, then column. A
position has M channels of y, mu and indexes and F of hyper.
"""

from __future__ import annotations

import triton
import triton.language as tl

from .layer import (
    activate,
    clamp,
    dense,
    load_affine,
    load_dense,
    load_weight,
    requantize,
)
from .wavefront import number_in_stream

NOWHERE = tl.constexpr(-8)  # the row of a position that is none: all of its window is outside
FRACTIONS = tl.constexpr(16)


@triton.jit
def window_tap(i, k, radius: tl.constexpr, channels: tl.constexpr):
    """What input i of a part of slice k looks at: dy, dx and the channel of y."""
    unit, channel = i // channels, i % channels
    if radius == 0:
        return unit % 9 // 3 - 1, unit % 3 - 1, unit // 9 * channels + channel
    else:
        side: tl.constexpr = 2 * radius + 1
        return unit // side - radius, unit % side - radius, k * channels + channel


@triton.jit
def window(positions, i, inputs, radius: tl.constexpr, sizes: tl.constexpr):
    """Inputs i of a part at all positions: int8 [positions, chunk]; 0 outside the image. Inputs
    beyond the part's have weight 0, and what they look at lies in y all the same."""
    y, rows, columns, height, width, k = positions
    dy, dx, channel = window_tap(i, k, radius, sizes.slice_channels)
    r, c = rows[:, None] + dy[None, :], columns[:, None] + dx[None, :]
    inside = (r >= 0) & (r < height) & (c >= 0) & (c < width)
    if radius == 0:  # not needed, but the compiler then counts in 32 bits, not in twice 16
        inside &= (i < inputs)[None, :]
    here = (rows * width + columns) * sizes.y_channels
    there = (dy * width + dx) * sizes.y_channels + channel
    return tl.load(y + here[:, None] + there[None, :], mask=inside, other=0)


@triton.jit
def part_sums(positions, inputs, weight, part: tl.constexpr, sizes: tl.constexpr):
    """A part's sums: int32 [positions, outputs]."""
    acc = tl.full((positions[1].shape[0], part.outputs), 0, tl.int32)
    for start in range(0, inputs, sizes.chunk):
        latents = window(positions, start + tl.arange(0, sizes.chunk), inputs, part.radius, sizes)
        chunk = weight + part.weight + start * part.outputs
        acc = tl.dot(
            latents, load_weight(chunk, part.outputs, sizes.chunk), acc, out_dtype=tl.int32
        )
    return acc


@triton.jit
def feature_sums(positions, hyper, weight, sizes: tl.constexpr):
    """What the features of the hyper-synthesis add to the hidden layer's sums: int32
    [positions, hidden]."""
    _, rows, columns, _, width, _ = positions
    sums = tl.full((rows.shape[0], sizes.hidden), 0, tl.int32)
    at = (rows * width + columns) * sizes.hyper_channels
    for start in range(0, sizes.hyper_channels, sizes.chunk):
        i = start + tl.arange(0, sizes.chunk)
        used = (rows >= 0)[:, None] & (i < sizes.hyper_channels)[None, :]
        features = tl.load(hyper + at[:, None] + i[None, :], mask=used, other=0)
        chunk = load_weight(weight + start * sizes.hidden, sizes.hidden, sizes.chunk)
        sums = tl.dot(features, chunk, sums, out_dtype=tl.int32)
    return sums


@triton.jit
def load_part(model, part: tl.constexpr, sizes: tl.constexpr):
    """Of a part: multipliers, biases, and the hidden layer's weights for its outputs."""
    weight, multiplier, bias = model
    m, b = load_affine(multiplier + part.row, bias + part.row, part.outputs)
    return m, b, load_weight(weight + part.hidden, sizes.hidden, part.outputs)


@triton.jit
def add_part(sums, acc, loaded):
    """What a part with sums `acc` adds to those of the hidden layer, int32 [positions, hidden]."""
    m, b, out = loaded
    return tl.dot(activate(requantize(acc, m, b)), out, sums, out_dtype=tl.int32)


@triton.jit
def load_heads(model, sizes: tl.constexpr):
    """Multipliers and biases of the hidden layer; mu's and index's layers (`load_dense`)."""
    weight, multiplier, bias = model
    row = sizes.hidden_row
    m, b = load_affine(multiplier + row, bias + row, sizes.hidden)
    row += sizes.hidden
    weight += sizes.head_weight
    mu = load_dense((weight, multiplier + row, bias + row), sizes.hidden, sizes.head)
    row += sizes.head
    weight += sizes.head * sizes.hidden
    return m, b, mu, load_dense((weight, multiplier + row, bias + row), sizes.hidden, sizes.head)


@triton.jit
def heads(sums, loaded):
    """The hidden layer's sums -> mu and index, unclamped: int32 [positions, head] each."""
    m, b, mu, index = loaded
    hidden = activate(requantize(sums, m, b))
    return dense(mu, hidden), dense(index, hidden)


@triton.jit
def context_parameters(positions, hyper, model, sizes: tl.constexpr):
    """mu and index, unclamped: int32 [positions, head] each."""
    k, weight = positions[5], model[0]
    own: tl.constexpr = sizes.slice_channels
    # Triton 3.6 needs fields that are no numbers bound to a local.
    context3: tl.constexpr = sizes.context3
    context5: tl.constexpr = sizes.context5
    context7: tl.constexpr = sizes.context7
    previous: tl.constexpr = sizes.previous
    sums = feature_sums(positions, hyper, weight, sizes)
    acc = part_sums(positions, 4 * own, weight, context3, sizes)
    sums = add_part(sums, acc, load_part(model, context3, sizes))
    acc = part_sums(positions, 12 * own, weight, context5, sizes)
    sums = add_part(sums, acc, load_part(model, context5, sizes))
    acc = part_sums(positions, 24 * own, weight, context7, sizes)
    sums = add_part(sums, acc, load_part(model, context7, sizes))
    acc = part_sums(positions, 9 * own * k, weight, previous, sizes)
    sums = add_part(sums, acc, load_part(model, previous, sizes))
    return heads(sums, load_heads(model, sizes))


@triton.jit
def table_of(lookups, mu, index):
    """The table's number (~number if it is certain), and the base of its symbols (the value if it
    is certain); lookups: numbers, values. Twin: `exact/model.py:IntegerModel.table_of`."""
    numbers, values = lookups
    at = index * FRACTIONS + (mu & (FRACTIONS - 1))
    return tl.load(numbers + at), (mu >> 4) + tl.load(values + at)


@triton.jit
def store(positions, heads, turns, fields, lookups, picks, sizes: tl.constexpr):
    """mu and index where they belong; table, base and place in the order of the stream.

    turns: [positions] their numbers in that order.
    """
    _, rows, columns, _, width, k = positions
    c = tl.arange(0, sizes.head)[None, :]
    real = (rows >= 0)[:, None] & (c < sizes.slice_channels)
    mu, index = clamp(heads[0], -32768, 32767), clamp(heads[1], 0, sizes.indexes - 1)
    place = ((rows * width + columns) * sizes.y_channels + k * sizes.slice_channels)[:, None] + c
    tl.store(fields[0] + place, mu.to(tl.int16), mask=real)
    tl.store(fields[1] + place, index.to(tl.uint8), mask=real)
    table, base = table_of(lookups, mu, index)
    at = (turns * sizes.slice_channels)[:, None] + c
    tl.store(picks[0] + at, table, mask=real)
    tl.store(picks[1] + at, base.to(tl.int16), mask=real)
    tl.store(picks[2] + at, place, mask=real)


@triton.jit
def model_of(image, k, model, sizes: tl.constexpr):
    """A slice's weights, and its multipliers and biases at an image's quality."""
    weight, multiplier, bias = model
    row = image * sizes.rows + k * sizes.slice_rows
    return weight + k * sizes.weights, multiplier + row, bias + row


@triton.jit
def of_slice(where, arrays, model, sizes: tl.constexpr):
    """A slice's positions and model (weight, multiplier, bias), and where an image's fields begin.

    where: image, its first position's number, rows, columns, height, width, k. arrays: y, hyper,
    mu, indexes.
    """
    image, first, rows, columns, height, width, k = where
    y, hyper, mu, indexes = arrays
    at, own = first * sizes.y_channels, model_of(image, k, model, sizes)
    positions = (y + at, rows, columns, height, width, k)
    return positions, own, hyper + first * sizes.hyper_channels, (mu + at, indexes + at)


@triton.jit
def context_all(
    y,  # int8 [positions of all images, M], clamped to -127..127
    hyper,  # int8 [positions, F]
    mu,  # int16 [positions, M]
    indexes,  # uint8 [positions, M]
    tables,  # int32 [positions, M]: of all latents, image by image in the order of the stream
    bases,  # int16 [positions, M]
    places,  # int32 [positions, M]: in the image's y
    height,  # int32 [B]
    width,  # int32 [B]
    begin,  # int64 [B]
    weight,  # from here on as PackedModel has them, but at the images' qualities
    multiplier,  # int32 [B, rows]
    bias,  # int64 [B, rows]
    numbers,
    values,
    sizes: tl.constexpr,
    TILE: tl.constexpr,
):
    """All positions of each image, for y that is there. Grid: tiles, slices, images."""
    image = tl.program_id(2).to(tl.int64)
    k = sizes.slices - 1 - tl.program_id(1)  # the costliest slices first
    h, w, first = tl.load(height + image), tl.load(width + image), tl.load(begin + image)
    number = tl.program_id(0) * TILE + tl.arange(0, TILE)
    if tl.program_id(0) * TILE >= h * w:
        return
    rows = tl.where(number < h * w, number // w, NOWHERE)
    where = (image, first, rows, number % w, h, w, k)
    model = (weight, multiplier, bias)
    positions, own, features, fields = of_slice(where, (y, hyper, mu, indexes), model, sizes)
    found = context_parameters(positions, features, own, sizes)
    turns = number_in_stream(k, rows, number % w, h, w, sizes.slices)
    at = first * sizes.y_channels
    picks = (tables + at, bases + at, places + at)
    store(positions, found, turns, fields, (numbers, values), picks, sizes)
