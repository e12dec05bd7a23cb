"""`functools.cached_property` without its lock.

Before Python 3.12 that lock is one for all objects of a class: a child made by fork, while another
thread computes such a property of any of them, waits for it for ever.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

R = TypeVar("R")
Self = TypeVar("Self")


class cached(Generic[R]):  # noqa: N801  # a decorator
    """A property that is computed when it is first asked for; by two threads at once, twice."""

    def __init__(self, compute: Callable[[Any], R]):
        self.compute, self.name = compute, compute.__name__
        self.__doc__ = compute.__doc__

    @overload
    def __get__(self: Self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type) -> R: ...
    def __get__(self, instance: object | None, owner: type) -> Any:
        if instance is None:
            return self
        value = instance.__dict__[self.name] = self.compute(instance)
        return value
