"""One integer layer: weights int8, activations in -127..127. FORMAT.md, section 3, has the formula.

acc and v are int32, acc * m + b int64: the bounds of that section and what follows from them are in
`csrc/layer.h`. Twins: that file and `exact/reference.py`; `exact/cuda/packing.py` says how weights
lie in memory.

Products are `tl.dot` of int8 into int32: exact, whatever the order of its sums.
"""

from __future__ import annotations

import triton
import triton.language as tl

SHIFT = tl.constexpr(24)
LIMIT = tl.constexpr(127)
QUALITY_STEPS = tl.constexpr(10000)


@triton.jit
def requantize(acc, multiplier, bias):
    """acc int32 [positions, N], multiplier int32 [N], bias int64 [N] -> v int32."""
    product = acc.to(tl.int64) * multiplier.to(tl.int64)[None, :] + bias[None, :]
    return (product >> SHIFT).to(tl.int32)


@triton.jit
def clamp(v, low, high):
    return tl.minimum(tl.maximum(v, low), high)


@triton.jit
def activate(v):
    """v int32 -> activations int8."""
    return clamp(tl.maximum(v, (v + 2) >> 2), -LIMIT, LIMIT).to(tl.int8)


@triton.jit
def load_weight(weight, N: tl.constexpr, K: tl.constexpr):
    """A block [N outputs][K inputs] of packed weights -> int8 [K, N], as `tl.dot` takes it."""
    return tl.load(weight + tl.arange(0, N)[None, :] * K + tl.arange(0, K)[:, None])


@triton.jit
def load_affine(multiplier, bias, N: tl.constexpr):
    """Multiplier int32 [N] and bias int64 [N] of packed outputs."""
    rows = tl.arange(0, N)
    return tl.load(multiplier + rows), tl.load(bias + rows)


@triton.jit
def load_dense(layer, inputs: tl.constexpr, outputs: tl.constexpr):
    """A layer (weight, multiplier, bias) as `dense` takes it."""
    weight, multiplier, bias = layer
    m, b = load_affine(multiplier, bias, outputs)
    return load_weight(weight, outputs, inputs), m, b


@triton.jit
def dense(layer, inputs):
    """v of a layer (`load_dense`): int8 [positions, K] -> int32 [positions, N]."""
    weight, multiplier, bias = layer
    return requantize(tl.dot(inputs, weight, out_dtype=tl.int32), multiplier, bias)


@triton.jit
def affine_at(
    levels_multiplier,  # int32 [L, rows]
    levels_bias,  # int64 [L, rows]
    quality,  # int32 [B], 0 .. 10000
    multiplier,  # int32 [B, rows]
    bias,  # int64 [B, rows]
    LEVELS: tl.constexpr,
    ROWS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Multiplier and bias of every packed output at an image's quality (FORMAT.md, section 2).

    Grid: blocks of rows, images. Twin: `exact/model.py:IntegerModel.affine_at`.
    """
    row = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    image = tl.program_id(1).to(tl.int64)
    position = tl.load(quality + image) * (LEVELS - 1)
    level = tl.minimum(position // QUALITY_STEPS, LEVELS - 2)
    fraction = position - level * QUALITY_STEPS
    at, inside = level * ROWS + row, row < ROWS
    m = _interpolate(levels_multiplier, at, fraction, inside, ROWS)
    b = _interpolate(levels_bias, at, fraction, inside, ROWS)
    tl.store(multiplier + image * ROWS + row, m.to(tl.int32), mask=inside)
    tl.store(bias + image * ROWS + row, b, mask=inside)


@triton.jit
def _interpolate(levels, at, fraction, inside, ROWS: tl.constexpr):
    """a + floor(((b - a) fraction + 5000) / 10000) in int64; |b - a| < 2^49."""
    a = tl.load(levels + at, mask=inside, other=0).to(tl.int64)
    b = tl.load(levels + at + ROWS, mask=inside, other=0).to(tl.int64)
    step = (b - a) * fraction + QUALITY_STEPS // 2
    rest = step % QUALITY_STEPS  # has the sign of `step`, as `//` rounds toward zero
    return a + (step - rest) // QUALITY_STEPS - tl.where(rest < 0, 1, 0)
