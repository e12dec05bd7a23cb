"""Warnings that name the line of the caller, however many of our functions lie between."""

from __future__ import annotations

import sys
import warnings

_BETWEEN = ("mcm_fast", "contextlib", "torch._dynamo", "torch.utils._contextlib")


def warn(message: str) -> None:
    """A UserWarning of the nearest caller outside this package."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and _is_between(frame.f_globals.get("__name__", "")):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, stacklevel=level)


def _is_between(module: str) -> bool:
    return any(module == name or module.startswith(name + ".") for name in _BETWEEN)
