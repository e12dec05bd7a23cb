"""A dry run: the kernels on the CPU, in Triton's interpreter (tests/interpreter.py)."""

from __future__ import annotations

import contextlib
import os


def interpreted(dry_run: bool) -> contextlib.AbstractContextManager:
    """Before the kernels are imported."""
    if not dry_run:
        return contextlib.nullcontext()
    os.environ["TRITON_INTERPRET"] = "1"
    from interpreter import quick_interpreter

    return quick_interpreter()
