"""Many items at once: each comes out as its result, or as the exception that it caused.

Inside the package such lists keep exceptions where their results would stand. A public function
settles them on its way out: with `on_error` "raise" the first exception is raised, its message
headed by the item's index; with "return" the exceptions stay in the list.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, TypeVar

T = TypeVar("T")
R = TypeVar("R")

OnError = Literal["raise", "return"]


def attempt(function: Callable[[T], R], item: T | Exception) -> R | Exception:
    """function(item), or the exception that it raised, or that the item already is."""
    if isinstance(item, Exception):
        return item
    try:
        return function(item)
    except Exception as error:
        return error


def together(
    function: Callable[[list[T]], Sequence[R | Exception]], items: Sequence[T | Exception]
) -> list[R | Exception]:
    """function(the items that are no exceptions), each result in its item's place."""
    good = [item for item in items if not isinstance(item, Exception)]
    results = iter(function(good) if good else ())
    return [item if isinstance(item, Exception) else next(results) for item in items]


def single(outcome: R | Exception) -> R:
    """The result of one item; raises its exception."""
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def settle(outcomes: Sequence[R | Exception], on_error: OnError) -> list[R | Exception]:
    """The outcomes of a batch. Raises the first exception if `on_error` is "raise"."""
    for index, outcome in enumerate(outcomes):
        if isinstance(outcome, Exception) and on_error == "raise":
            # Editing the exception keeps its type and traceback.
            if isinstance(outcome, OSError) and outcome.strerror is not None:
                outcome.strerror = f"image {index} of the batch: {outcome.strerror}"
            else:
                outcome.args = (f"image {index} of the batch: {outcome}", *outcome.args[1:])
            raise outcome
    return list(outcomes)
