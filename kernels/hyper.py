"""One layer of the hyper-synthesis (FORMAT.md, section 3): 3x3, padded by replication of the edge.

    out[c, 2 row + i, 2 column + j] = a[4 c + 2 i + j, row, column]      with depth-to-space

a as in `layer.py`. Twins: `csrc/hyper.h`, `exact/reference.py:hyper_synthesis`.

Images lie one after the other. The first layer's input is z, planar; others have channels
innermost, 4^i times as many positions as z. The last layer writes only the positions that y has.
"""

from __future__ import annotations

import triton
import triton.language as tl

from .layer import LIMIT, activate, clamp, load_affine, load_weight, requantize


@triton.jit
def neighbours(x, i, rows, columns, height, width, sizes: tl.constexpr):
    """Inputs i of all positions: int8 [positions, chunk]; what pads the taps has weight 0."""
    tap, channel = tl.minimum(i // sizes.inputs, 8), i % sizes.inputs
    r = clamp(rows[:, None] + (tap // 3 - 1)[None, :], 0, height - 1)
    c = clamp(columns[:, None] + (tap % 3 - 1)[None, :], 0, width - 1)
    if sizes.planar:
        at = channel[None, :] * height * width + r * width + c
    else:
        at = (r * width + c) * sizes.inputs + channel[None, :]
    return clamp(tl.load(x + at).to(tl.int32), -LIMIT, LIMIT).to(tl.int8)


@triton.jit
def store(out, a, first, rows, columns, width, real, sizes: tl.constexpr):
    """Activations int8 [positions, block] of the packed outputs `first` on."""
    output = first + tl.arange(0, sizes.block)[None, :]
    if sizes.upsamples:
        channels: tl.constexpr = sizes.outputs // 4
        part, channel = output // channels, output % channels
        at = (2 * rows[:, None] + part // 2) * (2 * width) + 2 * columns[:, None] + part % 2
        at = at * channels + channel
    else:
        at = (rows * width + columns)[:, None] * sizes.outputs + output
    tl.store(out + at, a, mask=real[:, None] & (output < sizes.outputs))


@triton.jit
def hyper_layer(
    x,  # int16 z, or int8 [positions of all images, inputs]
    out,  # int8 [positions, outputs], or four times as many of outputs / 4
    height,  # int32 [B] of y
    width,  # int32 [B]
    x_begin,  # int64 [B]: the image's first position in z
    out_begin,  # int64 [B]: in z, or in y for the last layer
    weight,  # int8 [blocks, chunks, block, chunk]
    multiplier,  # int32 [B, rows]
    bias,  # int64 [B, rows]
    sizes: tl.constexpr,
    TILE: tl.constexpr,
):
    """Grid: tiles of positions, blocks of outputs, images."""
    image, block = tl.program_id(2).to(tl.int64), tl.program_id(1)
    in_h = (tl.load(height + image) + 3) // 4 * sizes.scale
    in_w = (tl.load(width + image) + 3) // 4 * sizes.scale
    out_h, out_w = in_h, in_w
    begin = tl.load(out_begin + image)
    if sizes.upsamples:
        begin = begin * (sizes.scale * sizes.scale * sizes.outputs)
    else:
        out_h, out_w = tl.load(height + image), tl.load(width + image)
        begin = begin * sizes.outputs
    if tl.program_id(0) * TILE >= out_h * out_w:
        return
    number = tl.program_id(0) * TILE + tl.arange(0, TILE)
    real = number < out_h * out_w
    rows, columns = tl.where(real, number // out_w, 0), number % out_w
    x += tl.load(x_begin + image) * (sizes.scale * sizes.scale * sizes.inputs)
    weight += block * sizes.block * sizes.taps
    acc = tl.full((TILE, sizes.block), 0, tl.int32)
    for start in range(0, sizes.taps, sizes.chunk):
        i = start + tl.arange(0, sizes.chunk)
        a = neighbours(x, i, rows, columns, in_h, in_w, sizes)
        w = load_weight(weight + start * sizes.block, sizes.block, sizes.chunk)
        acc = tl.dot(a, w, acc, out_dtype=tl.int32)
    row = image * sizes.rows + sizes.first_row + block * sizes.block
    m, b = load_affine(multiplier + row, bias + row, sizes.block)
    a = activate(requantize(acc, m, b))
    store(out + begin, a, block * sizes.block, rows, columns, out_w, real, sizes)
