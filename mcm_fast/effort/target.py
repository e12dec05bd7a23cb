"""A size to meet, with effort: the quality at which the improved stream has it.

Improved streams of one image are about the same fraction of its plain ones over small changes of
quality, and over large ones about a power of their lengths. So a bisection over plain streams,
which are quick, aims beside the target by what the improved streams so far say; two or three
searches meet it, or a few more where a map of importance makes the fraction change with quality.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from torch import Tensor

from ..latents import Latents
from ..limits import QUALITY_STEPS
from .search import Progress, improve

if TYPE_CHECKING:
    from ..codec import Codec

_CLOSE = 0.005  # of the target: near enough to end the search
_ROUNDS = 6
_FLATTEST, _STEEPEST = 0.3, 1.5  # powers: two streams that are near each other say little
_FIRST_GUESS = 0.97  # an improved stream's length over the plain one's of its quality


def improve_to(
    codec: Codec,
    image: Tensor,
    target: float,
    plain: Callable[[int], Latents],
    *,
    effort: int,
    rendering: str = "faithful",
    objective: str = "psnr",
    importance: object = None,
    progress: Progress | None = None,
    size: Callable[[Latents], int] | None = None,
) -> Latents:
    """Improved latents whose stream is nearest to `target` bytes; see `improve` for the rest.

    Args:
        plain: hundredths of a quality -> the latents of the image as `analysis` makes them.
        size: latents -> length of their stream in bytes; by default of `codec.encode`.
    """
    measure = size or (lambda latents: len(codec.encode(latents)))
    lengths: dict[int, int] = {}  # of plain streams, by quality
    best: Latents | None = None
    best_error, pairs = float("inf"), dict[int, int]()  # lengths, plain: improved
    for number in range(_ROUNDS):
        quality = _nearest(plain, measure, _aim(target, pairs), lengths)
        if lengths[quality] in pairs:
            break
        found = improve(
            codec,
            image,
            plain(quality),
            effort=effort,
            rendering=rendering,
            objective=objective,
            importance=importance,
            progress=_share(progress, number),
        )
        length = measure(found)
        error = abs(length - target)
        if error < best_error:
            best, best_error = found, error
        if error <= _CLOSE * target:
            break
        pairs[lengths[quality]] = length
    if progress is not None:
        progress(1.0)
    assert best is not None
    return best


def _aim(target: float, pairs: dict[int, int]) -> float:
    """The length of the plain stream whose improved one has about `target` bytes.

    Args:
        pairs: lengths of plain streams and of what they were improved to.
    """
    if not pairs:
        return target / _FIRST_GUESS
    points = sorted((abs(math.log(b / target)), math.log(a), math.log(b)) for a, b in pairs.items())
    _, x, y = points[0]
    slope = 1.0
    if len(points) > 1 and points[1][1] != x and points[1][2] != y:
        slope = min(max((points[1][1] - x) / (points[1][2] - y), _FLATTEST), _STEEPEST)
    return math.exp(x + slope * (math.log(target) - y))


def _nearest(
    plain: Callable[[int], Latents],
    measure: Callable[[Latents], int],
    target: float,
    lengths: dict[int, int],
) -> int:
    """The quality whose plain stream is nearest to `target` bytes. `lengths` keeps what is
    measured on the way."""
    low, high = 0, QUALITY_STEPS
    while low <= high:
        middle = (low + high) // 2
        if middle not in lengths:
            lengths[middle] = measure(plain(middle))
        if abs(lengths[middle] - target) <= 0.001 * target:
            return middle
        low, high = (middle + 1, high) if lengths[middle] < target else (low, middle - 1)
    return min(lengths, key=lambda quality: (abs(lengths[quality] - target), quality))


def _share(progress: Progress | None, number: int) -> Progress | None:
    """The progress of one search of several: each fills half of what is left."""
    if progress is None:
        return None
    before = 1 - 0.5**number
    return lambda done: progress(before + (1 - before) * 0.5 * done)
