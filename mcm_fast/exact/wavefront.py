"""The joint wavefront: which positions are decoded together (FORMAT.md, section 5).

A masked 7x7 convolution at (row, column) looks at columns up to column + 3 of the rows above in its
own slice; the 3x3 convolution over the slices before looks up to (row + 1, column + 1) in them.
Both lie at an earlier

    t = column + 4 row + 6 slice

so all (slice, row, column) of one t are independent of each other.
"""

from __future__ import annotations

from collections.abc import Iterator

ROW_STEP, SLICE_STEP = 4, 6


def wavefront_steps(height: int, width: int, slices: int) -> int:
    """How many values t takes."""
    return width + ROW_STEP * (height - 1) + SLICE_STEP * (slices - 1)


def wavefront(height: int, width: int, slices: int) -> Iterator[list[tuple[int, int, int]]]:
    """For each t the (slice, row, column) of that step, by slice, then row."""
    for t in range(wavefront_steps(height, width, slices)):
        step = []
        for k in range(slices):
            for row in range(height):
                column = t - SLICE_STEP * k - ROW_STEP * row
                if 0 <= column < width:
                    step.append((k, row, column))
        yield step
