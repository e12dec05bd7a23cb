"""Many images at once: an error is about one of them, and is named after it.

With `errors` "raise" the first error is raised, its message headed by the image's index; with
"return" it stands in the image's place, an exception among the results, and the others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from .errors import BitstreamError

T = TypeVar("T")
R = TypeVar("R")

RAISE, RETURN = "raise", "return"


def check_errors(errors: str) -> None:
    """ "raise" or "return"; ValueError otherwise."""
    if errors not in (RAISE, RETURN):
        raise ValueError(f"errors is {RAISE!r} or {RETURN!r}, not {errors!r}")


def each(function: Callable[[T], R], items: Iterable[T], errors: str = RAISE) -> list[R]:
    """function(item) of each. Exceptions among the items stay where they are."""
    outcomes = []
    for index, item in enumerate(items):
        try:
            outcomes.append(item if isinstance(item, Exception) else function(item))
        except Exception as error:
            outcomes.append(_settle(error, index, errors))
    return outcomes


def together(
    function: Callable[[list[T]], list[R | BitstreamError]], items: Sequence[T], errors: str = RAISE
) -> list[R]:
    """function(items), which takes all of them at once and returns what is wrong with one of them
    in its place. Exceptions among the items stay where they are."""
    good = [item for item in items if not isinstance(item, Exception)]
    found = iter(function(good) if good else ())
    outcomes = [item if isinstance(item, Exception) else next(found) for item in items]
    return [
        _settle(outcome, index, errors) if isinstance(outcome, Exception) else outcome
        for index, outcome in enumerate(outcomes)
    ]


def _settle(error: Exception, index: int, errors: str) -> Exception:
    if errors == RETURN:
        return error
    # In place, to keep the type, whatever its constructor takes, and the traceback.
    error.args = (f"image {index} of the batch: {error}", *error.args[1:])
    raise error
