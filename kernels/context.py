"""The context model and the choice of tables (FORMAT.md, sections 3 and 4). Twins: `csrc/context.h`
and `exact/reference.py:context_parameters`. A layer's arithmetic is in `layer.py`;
`exact/cuda/packing.py` says how weights lie in memory.

A program computes everything for some positions of one slice of one image; the features of a part
go from registers into the sums of the hidden layer at once. `context_step` (the decoder) takes the
positions of the image's step, `context_all` (the encoder) those of the whole image; both call
`context_at`.

Images lie one after the other: image b's positions begin at number begin[b], by row, then column. A
position has M channels of y, mu and indexes and F of hyper.
"""

from __future__ import annotations

import triton
import triton.language as tl

from .layer import activate, clamp, dense, load_affine, load_weight, requantize
from .wavefront import ROW_STEP, SLICE_STEP, first_row, number_in_step, number_in_stream, row_count

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
def add_part(sums, positions, inputs, model, part: tl.constexpr, sizes: tl.constexpr):
    """What a part adds to the hidden layer's sums: int32 [positions, hidden]."""
    weight, multiplier, bias = model
    m, b = load_affine(multiplier + part.row, bias + part.row, part.outputs)
    out = load_weight(weight + part.hidden, sizes.hidden, part.outputs)
    acc = tl.full((sums.shape[0], part.outputs), 0, tl.int32)
    for start in range(0, inputs, sizes.chunk):
        latents = window(positions, start + tl.arange(0, sizes.chunk), inputs, part.radius, sizes)
        chunk = weight + part.weight + start * part.outputs
        acc = tl.dot(
            latents, load_weight(chunk, part.outputs, sizes.chunk), acc, out_dtype=tl.int32
        )
    return tl.dot(activate(requantize(acc, m, b)), out, sums, out_dtype=tl.int32)


@triton.jit
def add_features(sums, positions, hyper, weight, sizes: tl.constexpr):
    """What the features of the hyper-synthesis add to them."""
    _, rows, columns, _, width, _ = positions
    at = (rows * width + columns) * sizes.hyper_channels
    for start in range(0, sizes.hyper_channels, sizes.chunk):
        i = start + tl.arange(0, sizes.chunk)
        used = (rows >= 0)[:, None] & (i < sizes.hyper_channels)[None, :]
        features = tl.load(hyper + at[:, None] + i[None, :], mask=used, other=0)
        chunk = load_weight(weight + start * sizes.hidden, sizes.hidden, sizes.chunk)
        sums = tl.dot(features, chunk, sums, out_dtype=tl.int32)
    return sums


@triton.jit
def context_parameters(positions, hyper, model, sizes: tl.constexpr):
    """mu and index, unclamped: int32 [positions, head] each."""
    _, rows, _, _, _, k = positions
    weight, multiplier, bias = model
    own: tl.constexpr = sizes.slice_channels
    context3: tl.constexpr = (
        sizes.context3
    )  # Triton 3.6 needs non-scalar constexpr fields bound to a local
    context5: tl.constexpr = sizes.context5
    context7: tl.constexpr = sizes.context7
    previous: tl.constexpr = sizes.previous
    sums = tl.full((rows.shape[0], sizes.hidden), 0, tl.int32)
    sums = add_features(sums, positions, hyper, weight, sizes)
    sums = add_part(sums, positions, 4 * own, model, context3, sizes)
    sums = add_part(sums, positions, 12 * own, model, context5, sizes)
    sums = add_part(sums, positions, 24 * own, model, context7, sizes)
    sums = add_part(sums, positions, 9 * own * k, model, previous, sizes)
    row = sizes.hidden_row
    m, b = load_affine(multiplier + row, bias + row, sizes.hidden)
    hidden = activate(requantize(sums, m, b))
    row += sizes.hidden
    weight += sizes.head_weight
    mu = dense((weight, multiplier + row, bias + row), hidden, sizes.head)
    row += sizes.head
    weight += sizes.head * sizes.hidden
    return mu, dense((weight, multiplier + row, bias + row), hidden, sizes.head)


@triton.jit
def table_of(lookups, mu, index):
    """The table's number (~number if it is certain), and the base of its symbols (the value if it
    is certain); lookups: shift, numbers, values. Twin: `exact/model.py:IntegerModel.table_of`."""
    shift, numbers, values = lookups
    s = tl.load(shift + index)
    k = (mu + ((1 << s) >> 1)) >> s
    at = index * FRACTIONS + (k & ((FRACTIONS >> s) - 1))
    return tl.load(numbers + at), (k >> (4 - s)) + tl.load(values + at)


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
def context_at(where, turns, arrays, picks, model, lookups, sizes: tl.constexpr):
    """The context model at some positions of slice k of an image, stored.

    where: image, its first position's number, rows, columns, height, width, k.
    """
    image, first, rows, columns, height, width, k = where
    y, hyper, mu, indexes = arrays
    weight, multiplier, bias = model
    at = first * sizes.y_channels
    row = image * sizes.rows + k * sizes.slice_rows
    of_slice = (weight + k * sizes.weights, multiplier + row, bias + row)
    positions = (y + at, rows, columns, height, width, k)
    heads = context_parameters(positions, hyper + first * sizes.hyper_channels, of_slice, sizes)
    store(positions, heads, turns, (mu + at, indexes + at), lookups, picks, sizes)


@triton.jit
def context_step(
    y,  # int8 [positions of all images, M], clamped to -127..127
    hyper,  # int8 [positions, F]
    mu,  # int16 [positions, M]
    indexes,  # uint8 [positions, M]
    tables,  # int32 [B, capacity]: of the step's latents, in the order of the stream
    bases,  # int16 [B, capacity]
    places,  # int32 [B, capacity]: in the image's y
    height,  # int32 [B]
    width,  # int32 [B]
    begin,  # int64 [B]
    t,  # int32 [B]: the image's step
    weight,  # from here on as PackedModel has them, but at the images' qualities
    multiplier,  # int32 [B, rows]
    bias,  # int64 [B, rows]
    shift,
    numbers,
    values,
    capacity,
    sizes: tl.constexpr,
    TILE: tl.constexpr,
):
    """One step of the wavefront of each image. Grid: tiles of positions, slices, images.

    An image of height 0 has no positions, nor has one that is done.
    """
    image = tl.program_id(2).to(tl.int64)
    k = sizes.slices - 1 - tl.program_id(1)  # the costliest slices first
    h, w, step = tl.load(height + image), tl.load(width + image), tl.load(t + image)
    u = step - SLICE_STEP * k
    number = tl.program_id(0) * TILE + tl.arange(0, TILE)
    total = row_count(u, h, w)
    if tl.program_id(0) * TILE >= total:
        return
    rows = tl.where(number < total, first_row(u, w) + number, NOWHERE)
    where = (image, tl.load(begin + image), rows, u - ROW_STEP * rows, h, w, k)
    turns = number_in_step(step, k, h, w, sizes.slices) + number
    picks = (tables + image * capacity, bases + image * capacity, places + image * capacity)
    model, lookups = (weight, multiplier, bias), (shift, numbers, values)
    context_at(where, turns, (y, hyper, mu, indexes), picks, model, lookups, sizes)


@triton.jit
def context_all(
    y,
    hyper,
    mu,
    indexes,
    tables,  # int32 [positions of all images, M]: all latents, image by image in stream order
    bases,
    places,
    height,
    width,
    begin,
    weight,
    multiplier,
    bias,
    shift,
    numbers,
    values,
    sizes: tl.constexpr,
    TILE: tl.constexpr,
):
    """All positions of each image, for y that is known. Grid: tiles of positions, slices, images.

    The arguments are those of `context_step`.
    """
    image = tl.program_id(2).to(tl.int64)
    k = sizes.slices - 1 - tl.program_id(1)
    h, w, first = tl.load(height + image), tl.load(width + image), tl.load(begin + image)
    number = tl.program_id(0) * TILE + tl.arange(0, TILE)
    if tl.program_id(0) * TILE >= h * w:
        return
    rows = tl.where(number < h * w, number // w, NOWHERE)
    where = (image, first, rows, number % w, h, w, k)
    turns = number_in_stream(k, rows, number % w, h, w, sizes.slices)
    at = first * sizes.y_channels
    picks = (tables + at, bases + at, places + at)
    model, lookups = (weight, multiplier, bias), (shift, numbers, values)
    context_at(where, turns, (y, hyper, mu, indexes), picks, model, lookups, sizes)
