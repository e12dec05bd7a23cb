"""The caller's torch state: it changes nothing in what a codec computes, and stays as it was."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import ParamSpec, TypeVar

import torch

from .opaque import opaque
from .threads import of_call

P = ParamSpec("P")
R = TypeVar("R")


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """No gradients, no autocast, no default device, and no inference mode: what is made within is
    an ordinary tensor. (A default dtype is not thread-local; dtypes are named where tensors are
    made.)"""
    with contextlib.ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.no_grad())
        for kind in ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",):
            stack.enter_context(torch.autocast(kind, enabled=False))
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        yield


def public(method: Callable[P, R]) -> Callable[P, R]:
    """A public method of a codec: undisturbed, with the codec's threads, opaque to the compiler."""

    @functools.wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        threads: int | None = args[0].threads  # type: ignore[attr-defined]
        with undisturbed(), of_call(threads):
            return method(*args, **kwargs)

    return opaque(call)


@contextlib.contextmanager
def own_defaults() -> Iterator[None]:
    """Modules made within have fp32 parameters, and draw them without touching the caller's
    generator. Both are global to the process: hold this for a moment only."""
    dtype = torch.get_default_dtype()
    with torch.random.fork_rng(devices=[]):
        torch.set_default_dtype(torch.float32)
        try:
            yield
        finally:
            torch.set_default_dtype(dtype)
