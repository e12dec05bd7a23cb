"""Calls that torch.compile does not look into.

It cannot follow a codec, and fails where it tries. `torch.compiler.disable` keeps it out, but
imports the compiler, which takes a second and is of no use to most programs: here it is asked only
in a process that has imported it.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
REASON = "mcm_fast is opaque to it; mcm_fast.integrations.torch_ops has operators for graphs"


def opaque(function: Callable[P, R]) -> Callable[P, R]:
    """The function itself, but what is compiled breaks at its call and runs it as it is."""
    disabled: list[Callable[P, R]] = []

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        if "torch._dynamo" not in sys.modules:
            return function(*args, **kwargs)
        if not disabled:
            compiler = sys.modules["torch"].compiler
            disabled.append(compiler.disable(function, reason=REASON))
        return disabled[0](*args, **kwargs)

    return call
