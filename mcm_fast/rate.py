"""A target rate: bisection over the quality, with which the rate rises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from .limits import QUALITY_STEPS

T = TypeVar("T")
CLOSE, REACHED = 0.002, 0.02  # of the target: where the search ends; beyond which it missed


class Aim(NamedTuple):
    """What a caller asks of a stream: a quality, or a rate that a quality is searched for."""

    quality_steps: int  # hundredths, 0 .. 10000
    target_bpp: float | None = None


@dataclass
class Search(Generic[T]):
    """Finds the quality whose stream is nearest to a length.

        search = Search(target)
        while search.open:
            search.tell(length of the stream at search.quality_steps, that stream)
        search.best

    Attributes:
        target: bytes.
        best: the candidate nearest to it so far, and `length` its bytes.
    """

    target: float
    low: int = 0
    high: int = QUALITY_STEPS
    best: T | None = None
    length: int = 0

    @property
    def quality_steps(self) -> int:
        """The next quality to try."""
        return (self.low + self.high) // 2

    @property
    def open(self) -> bool:
        return self.low <= self.high and not (self.best is not None and self._within(CLOSE))

    @property
    def reached(self) -> bool:
        """Whether the best candidate is within 2 % of the target."""
        return self._within(REACHED)

    def tell(self, length: int, candidate: T) -> None:
        """What came of `quality_steps`."""
        middle = self.quality_steps
        if self.best is None or abs(length - self.target) < abs(self.length - self.target):
            self.best, self.length = candidate, length
        if length < self.target:
            self.low = middle + 1
        else:
            self.high = middle - 1

    def settle(self, length: int, candidate: T) -> None:
        """What another search came to: the end of this one."""
        self.best, self.length, self.low = candidate, length, self.high + 1

    def _within(self, share: float) -> bool:
        return abs(self.length - self.target) <= share * self.target
