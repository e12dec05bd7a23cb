"""A big image in overlapping tiles, so that a transform needs memory for one of them only.

A tile is transformed with as much of its surroundings as its outputs can see, and only those
outputs are kept: they are what the whole image would give, but for the rounding of floats. Tiles
are counted in latents, 16 pixels each, and begin at even ones, because the attention modules pair
neighbours down to the last stage. The integers know nothing of tiles.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from ..latents import BLOCK
from ..network.config import Config

CONV = 1  # how far a 3x3 convolution sees


class Span(NamedTuple):
    """A tile along one axis: it sees latents start .. end - 1 and answers for first .. last - 1."""

    start: int
    end: int
    first: int
    last: int

    def seen(self, scale: int = 1) -> slice:
        """What the tile sees, in the image, at `scale` samples a latent."""
        return slice(self.start * scale, self.end * scale)

    def kept(self, scale: int = 1) -> slice:
        """What it answers for, in the image."""
        return slice(self.first * scale, self.last * scale)

    def inner(self, scale: int = 1) -> slice:
        """What it answers for, in the tile."""
        return slice((self.first - self.start) * scale, (self.last - self.start) * scale)


def cover(
    height: int, width: int, area: int, reach: int, wanted: tuple[slice, slice] | None = None
) -> list[tuple[Span, Span]]:
    """Rows and columns of tiles that answer for all of height x width latents, row by row.

    Args:
        area: latents that a tile sees, about. An image of no more is one tile.
        reach: how far a pair of outputs sees, in latents.
        wanted: rows and columns that a single tile need answer for, if not for all.
    """
    if height * width <= area:
        rows, columns = wanted or (slice(0, height), slice(0, width))
        return [(_span(rows, height), _span(columns, width))]
    side = max(math.isqrt(area), 4 * reach)  # at least as much to keep as to see beyond
    rows = min(height, side)
    columns = min(width, max(side, area // rows))
    rows = min(height, max(side, area // columns))
    return [
        (row, column)
        for row in _spans(height, rows, reach)
        for column in _spans(width, columns, reach)
    ]


def _spans(length: int, seen: int, reach: int) -> list[Span]:
    """Spans of equal size that see about `seen` latents."""
    if length <= seen:
        return [Span(0, length, 0, length)]
    beyond = _even(reach)
    count = -(-length // (seen - 2 * beyond))
    kept = _even(-(-length // count))
    return [
        Span(max(0, first - beyond), min(length, last + beyond), first, last)
        for first in range(0, length, kept)
        for last in (min(first + kept, length),)
    ]


def _span(wanted: slice, length: int) -> Span:
    """All latents, of which those that are wanted are answered for, in pairs."""
    return Span(0, length, wanted.start // 2 * 2, min(length, _even(wanted.stop)))


def _even(n: int) -> int:
    return n + n % 2


def analysis_reach(config: Config) -> int:
    """How far a pair of latents sees beyond itself in the image, in latents, rounded up."""
    first, last = 0, 1
    for stage in reversed(config.stages):
        first, last = _seen(first, last, stage.blocks * _block(config), CONV)
        first, last = first * stage.factor, (last + 1) * stage.factor - 1
    return max(-(first // BLOCK), last // BLOCK - 1)


def synthesis_reach(config: Config) -> int:
    """How far the pixels of a pair of latents see beyond it, in latents."""
    first, last = 0, 2 * BLOCK - 1
    for stage in config.stages:
        inner = first // stage.factor, last // stage.factor
        first, last = _seen(*inner, CONV, stage.blocks * _block(config))
    return max(-first, last - 1) + CONV + 5 * _block(config)


def synthesis_margins(config: Config) -> list[int]:
    """What each stage of the synthesis must see beyond the part that is kept, in its samples."""
    margins, beyond = [], 0
    for stage in config.stages:  # the synthesis runs them last to first
        beyond = _even(-(-beyond // stage.factor)) + _even(stage_reach(stage.blocks, config, False))
        margins.append(beyond)
    return margins[::-1]


def stage_reach(blocks: int, config: Config, down: bool) -> int:
    """How far a pair of samples of a stage with so many blocks sees beyond it, in such samples."""
    inner = blocks * _block(config)
    first, last = _seen(0, 1, *((inner, CONV) if down else (CONV, inner)))
    return max(-first, last - 1)


def _seen(first: int, last: int, after: int, before: int) -> tuple[int, int]:
    """What samples first .. last of a stage see in its input, at the stage's resolution: through
    layers `after` and `before` its attention module, which has a convolution over pairs."""
    first, last = (first - after) // 2 - CONV, (last + after) // 2 + CONV
    return 2 * first - before, 2 * last + 1 + before


def _block(config: Config) -> int:
    """A residual block: one 3x3 convolution between two of 1x1, or two of 3x3."""
    return CONV if config.bottleneck < 1 else 2 * CONV
