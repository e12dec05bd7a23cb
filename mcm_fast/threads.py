"""How many threads a codec computes with: of a call, never of the caller.

`torch.set_num_threads` also says what threads that are yet to start begin with, in the whole
process. What lies below it does not: OpenMP's number belongs to a thread, and MKL has one that
does. They are set for a call, and set back.

In a child made by fork torch's share is one thread, whatever was asked for: GNU's OpenMP, which
torch computes with, keeps its helper threads for the next time; the child inherits the memory of
them, not the threads, and would wait for ever in its first parallel region. The threads of C++ live
for one call, in a child too.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

_HERE = os.getpid()  # of a child made by fork it is the parent's
_CALL = threading.local()


def current() -> int:
    """Threads of the call that runs in this thread; outside of one, the default."""
    return getattr(_CALL, "count", None) or default()


def default() -> int:
    """One in a worker of torch's DataLoader, which are many already; else as many as torch uses, or
    without torch one for each core that the process may run on."""
    torch, data = sys.modules.get("torch"), sys.modules.get("torch.utils.data")
    if data is not None and data.get_worker_info() is not None:
        return 1
    return len(os.sched_getaffinity(0)) if torch is None else torch.get_num_threads()


@contextlib.contextmanager
def of_call(wanted: int | None) -> Iterator[None]:
    """C++ and torch compute with `wanted` threads, or the default number, until its end."""
    outer = getattr(_CALL, "count", None)
    _CALL.count = wanted or outer or default()
    try:
        with _of_torch(1 if os.getpid() != _HERE else _CALL.count):
            yield
    finally:
        _CALL.count = outer


@contextlib.contextmanager
def _of_torch(count: int) -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    if count == before:
        yield
        return
    openmp, mkl = _setters()
    openmp(count)
    mkl_before = mkl(count)
    try:
        yield
    finally:
        openmp(before)
        mkl(mkl_before)


@functools.cache
def _setters() -> tuple[Callable[[int], Any], Callable[[int], int]]:
    """What sets the number of OpenMP's threads, and of MKL's (-> that before, 0: its default), for
    the thread that calls, in the libraries that torch was linked with."""
    import torch

    library = ctypes.CDLL(torch._C.__file__)
    openmp = getattr(library, "omp_set_num_threads", torch.set_num_threads)
    return openmp, getattr(library, "MKL_Set_Num_Threads_Local", lambda count: 0)
