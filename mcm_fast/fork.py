"""Forked children of a process that has computed.

GNU's OpenMP, which torch computes with, keeps its threads for the next time; a child made by fork
inherits the memory of them, but not the threads, and waits for ever in its first parallel region.
With one thread there is no such region. (The C++ engine's threads live for one call only.)
"""

from __future__ import annotations

import functools
import os

import torch


@functools.cache
def survive_fork() -> None:
    """From now on, torch computes with one thread in a forked child, so that it computes at all.

    Children made by spawn or forkserver start afresh and use all threads.
    """
    os.register_at_fork(after_in_child=functools.partial(torch.set_num_threads, 1))
