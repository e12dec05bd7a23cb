"""One step of the wavefront of each image: the context model of the decoder.

Of what a position of step t + 1 looks at, only what lies at

    own slice     (0, -1), in all three masked windows, and (-1, 3), in the 7x7
    slice before  (1, 1)

is decoded in step t (FORMAT.md, section 5: dx + 4 dy = -1, or 5 for the slice before); everything
else is there a step earlier. `context_lazy` adds that up beside the coder, which decodes step t;
`context_step` adds the urgent taps and goes on from there. The lazy kernel reads latents that the
coder may be writing: their weights are 0 (`exact/cuda/packing.py`).
"""

from __future__ import annotations

import triton
import triton.language as tl
from triton.language.extra.cuda import gdc_launch_dependents, gdc_wait

from .context import (
    NOWHERE,
    add_part,
    feature_sums,
    heads,
    load_heads,
    load_part,
    model_of,
    of_slice,
    part_sums,
    store,
)
from .layer import load_weight
from .wavefront import ROW_STEP, SLICE_STEP, first_row, number_in_step, row_count


@triton.jit
def positions_of(step, k, h, w, TILE: tl.constexpr):
    """Of a slice in a step: how many, and of a program's tile the numbers, rows and columns."""
    u = step - SLICE_STEP * k
    number = tl.program_id(0) * TILE + tl.arange(0, TILE)
    total = row_count(u, h, w)
    rows = tl.where(number < total, first_row(u, w) + number, NOWHERE)
    return total, number, rows, u - ROW_STEP * rows


@triton.jit
def sums_at(sums, image, k, number, capacity, sizes: tl.constexpr):
    """Where the lazy sums of positions begin: [positions, 1]."""
    first = (image * sizes.slices + k) * (capacity // sizes.y_channels)
    return sums + ((first + number) * sizes.sums)[:, None]


@triton.jit
def load_sums(sums, first: tl.constexpr, size: tl.constexpr):
    return tl.load(sums + first + tl.arange(0, size)[None, :])


@triton.jit
def store_sums(sums, first: tl.constexpr, acc):
    tl.store(sums + first + tl.arange(0, acc.shape[1])[None, :], acc)


@triton.jit
def tap(positions, k, dy: tl.constexpr, dx: tl.constexpr, sizes: tl.constexpr):
    """What all positions see of one slice at one place beside them: int8 [positions, tap]."""
    y, rows, columns, height, width, _ = positions
    r, c, i = rows + dy, columns + dx, tl.arange(0, sizes.tap)
    inside = (r >= 0) & (r < height) & (c >= 0) & (c < width)
    used = inside[:, None] & (i < sizes.slice_channels)[None, :]
    at = (r * width + c) * sizes.y_channels + k * sizes.slice_channels
    return tl.load(y + at[:, None] + i[None, :], mask=used, other=0)


@triton.jit
def urgent_taps(positions, sizes: tl.constexpr):
    """What the step before has decoded of all that a position looks at: in its own row, at the end
    of the 7x7's row above, and in the slice before."""
    k = positions[5]
    own = tap(positions, k, 0, -1, sizes)
    return own, tap(positions, k, -1, 3, sizes), tap(positions, tl.maximum(k, 1) - 1, 1, 1, sizes)


@triton.jit
def load_taps(weight, part: tl.constexpr, number: tl.constexpr, sizes: tl.constexpr):
    """Weights of an urgent tap of a part."""
    at = weight + part.urgent + number * part.outputs * sizes.tap
    return load_weight(at, part.outputs, sizes.tap)


@triton.jit
def context_lazy(
    y,  # int8 [positions of all images, M], clamped to -127..127
    hyper,  # int8 [positions, F]
    sums,  # int32 [B, slices, capacity / M, sizes.sums]
    height,  # int32 [B]
    width,  # int32 [B]
    begin,  # int64 [B]
    coming,  # int32 [B]: the step that the sums are for
    weight,  # PackedModel.lazy_weight
    capacity,
    sizes: tl.constexpr,
    TILE: tl.constexpr,
):
    """Lazy sums of a step. Grid: tiles of positions, slices x 5 parts, images."""
    image = tl.program_id(2).to(tl.int64)
    part, k = tl.program_id(1) % 5, sizes.slices - 1 - tl.program_id(1) // 5
    h, w, step = tl.load(height + image), tl.load(width + image), tl.load(coming + image)
    total, number, rows, columns = positions_of(step, k, h, w, TILE)
    if tl.program_id(0) * TILE >= total:
        return
    where = (image, tl.load(begin + image), rows, columns, h, w, k)
    arrays, model = (y, hyper, y, y), (weight, weight, weight)
    positions, own, features, _ = of_slice(where, arrays, model, sizes)
    out = sums_at(sums, image, k, number, capacity, sizes)
    channels: tl.constexpr = sizes.slice_channels
    context3: tl.constexpr = sizes.context3
    context5: tl.constexpr = sizes.context5
    context7: tl.constexpr = sizes.context7
    previous: tl.constexpr = sizes.previous
    if part == 0:
        inputs = 9 * channels * k
        store_sums(out, previous.row, part_sums(positions, inputs, own[0], previous, sizes))
    elif part == 1:
        store_sums(out, context7.row, part_sums(positions, 24 * channels, own[0], context7, sizes))
    elif part == 2:
        store_sums(out, context5.row, part_sums(positions, 12 * channels, own[0], context5, sizes))
    elif part == 3:
        store_sums(out, context3.row, part_sums(positions, 4 * channels, own[0], context3, sizes))
    else:
        store_sums(out, sizes.hidden_row, feature_sums(positions, features, own[0], sizes))


@triton.jit
def context_step(
    y,  # the first arguments are those of `context_all`
    hyper,
    mu,
    indexes,
    tables,  # int32 [B, capacity]: of the step's latents, in the order of the stream
    bases,  # int16 [B, capacity]
    places,  # int32 [B, capacity]: in the image's y
    sums,  # of this step, as `context_lazy` leaves them
    height,
    width,
    begin,
    t,  # int32 [B]: the image's step
    coming,  # int32 [B]: becomes the step after it
    weight,  # PackedModel.lazy_weight
    multiplier,
    bias,
    numbers,
    values,
    capacity,
    sizes: tl.constexpr,
    TILE: tl.constexpr,
    PDL: tl.constexpr,
):
    """One step of the wavefront of each image. Grid: tiles of positions, slices, images.

    An image of height 0 has no positions, nor has one that is done. PDL: the kernel before it may
    still run, and every program waits for its end."""
    image = tl.program_id(2).to(tl.int64)
    k = sizes.slices - 1 - tl.program_id(1)
    model = (weight, multiplier, bias)
    if PDL:
        gdc_launch_dependents()
        loaded = load_step(model_of(image, k, model, sizes), sizes)
        gdc_wait()
    h, w, step = tl.load(height + image), tl.load(width + image), tl.load(t + image)
    if (tl.program_id(0) == 0) & (tl.program_id(1) == 0):
        tl.store(coming + image, step + 1)
    total, number, rows, columns = positions_of(step, k, h, w, TILE)
    if tl.program_id(0) * TILE >= total:
        return
    where = (image, tl.load(begin + image), rows, columns, h, w, k)
    positions, own, _, fields = of_slice(where, (y, hyper, mu, indexes), model, sizes)
    if not PDL:
        loaded = load_step(own, sizes)
    lazy = sums_at(sums, image, k, number, capacity, sizes)
    found = step_parameters(positions, lazy, loaded, sizes)
    turns = number_in_step(step, k, h, w, sizes.slices) + number
    picks = (tables + image * capacity, bases + image * capacity, places + image * capacity)
    store(positions, found, turns, fields, (numbers, values), picks, sizes)


@triton.jit
def load_step(model, sizes: tl.constexpr):
    """Of a slice, what `step_parameters` takes: of each part what `load_part` says, weights of the
    urgent taps, and the heads. None of it waits for the coder."""
    context3: tl.constexpr = sizes.context3
    context5: tl.constexpr = sizes.context5
    context7: tl.constexpr = sizes.context7
    previous: tl.constexpr = sizes.previous
    weight = model[0]
    last = load_heads(model, sizes)
    part3, tap3 = load_part(model, context3, sizes), load_taps(weight, context3, 0, sizes)
    part5, tap5 = load_part(model, context5, sizes), load_taps(weight, context5, 0, sizes)
    part7, tap7 = load_part(model, context7, sizes), load_taps(weight, context7, 0, sizes)
    part1, tap1 = load_part(model, previous, sizes), load_taps(weight, previous, 0, sizes)
    tap7_above = load_taps(weight, context7, 1, sizes)
    return (part3, part5, part7, part1), (tap3, tap5, tap7, tap7_above, tap1), last


@triton.jit
def step_parameters(positions, sums, loaded, sizes: tl.constexpr):
    """mu and index from lazy sums, unclamped: int32 [positions, head] each."""
    context3: tl.constexpr = sizes.context3
    context5: tl.constexpr = sizes.context5
    context7: tl.constexpr = sizes.context7
    previous: tl.constexpr = sizes.previous
    # All loads come first: nothing but the taps, the last of them, waits for the coder.
    parts, taps, last = loaded
    part3, part5, part7, part1 = parts
    tap3, tap5, tap7, tap7_above, tap1 = taps
    acc3 = load_sums(sums, context3.row, context3.outputs)
    acc5 = load_sums(sums, context5.row, context5.outputs)
    acc7 = load_sums(sums, context7.row, context7.outputs)
    acc1 = load_sums(sums, previous.row, previous.outputs)
    hidden = load_sums(sums, sizes.hidden_row, sizes.hidden)
    own, above, before = urgent_taps(positions, sizes)
    acc7 = tl.dot(own, tap7, acc7, out_dtype=tl.int32)
    acc7 = tl.dot(above, tap7_above, acc7, out_dtype=tl.int32)
    hidden = add_part(hidden, tl.dot(own, tap3, acc3, out_dtype=tl.int32), part3)
    hidden = add_part(hidden, tl.dot(own, tap5, acc5, out_dtype=tl.int32), part5)
    hidden = add_part(hidden, acc7, part7)
    hidden = add_part(hidden, tl.dot(before, tap1, acc1, out_dtype=tl.int32), part1)
    return heads(hidden, last)
