"""The joint wavefront (FORMAT.md, section 5): t = column + 4 row + 6 slice.

Twins: `csrc/wavefront.h`, `exact/wavefront.py`. Everything is int32; u stands for t - 6 slice, that
is column + 4 row within a slice.
"""

from __future__ import annotations

import triton
import triton.language as tl

ROW_STEP = tl.constexpr(4)
SLICE_STEP = tl.constexpr(6)


@triton.jit
def first_row(u, width):
    """The first row that has a position at u, for u >= 0."""
    return tl.maximum(0, u - width + ROW_STEP) // ROW_STEP


@triton.jit
def row_count(u, height, width):
    """How many positions of one slice have column + 4 row = u; any u."""
    last = tl.minimum(height - 1, tl.maximum(u, 0) // ROW_STEP)
    return tl.where(u < 0, 0, tl.maximum(0, last - first_row(u, width) + 1))


@triton.jit
def row_count_before(u, height, width):
    """How many positions of one slice have column + 4 row < u; any u.

    The sum over rows of clamp(u - 4 row, 0, width): `whole` rows of width, then an arithmetic
    series.
    """
    whole = tl.minimum(height, tl.maximum(0, u - width + ROW_STEP) // ROW_STEP)
    begun = tl.minimum(height, tl.maximum(0, u + ROW_STEP - 1) // ROW_STEP)
    series = (begun - whole) * u - ROW_STEP // 2 * (begun * (begun - 1) - whole * (whole - 1))
    return whole * width + series


@triton.jit
def number_in_step(t, k, height, width, SLICES: tl.constexpr):
    """How many positions of the slices before k belong to step t."""
    slices = tl.arange(0, SLICES)
    counts = row_count(t - SLICE_STEP * slices, height, width)
    return tl.sum(tl.where(slices < k, counts, 0), 0)


@triton.jit
def number_in_stream(k, rows, columns, height, width, SLICES: tl.constexpr):
    """How many positions (of all slices) the stream visits before these of slice k: [positions]."""
    u = columns + ROW_STEP * rows
    slices = tl.arange(0, SLICES)[None, :]
    # The slices before k have done step t already.
    others = u[:, None] + SLICE_STEP * (k - slices) + tl.where(slices < k, 1, 0)
    return tl.sum(row_count_before(others, height, width), 1) + rows - first_row(u, width)
