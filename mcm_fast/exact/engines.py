"""The engines by name. All give the same bytes and the same latents."""

from __future__ import annotations

from .model import IntegerModel
from .types import Engine

NAMES = ("reference", "cpu")


def make_engine(model: IntegerModel, name: str | None = None) -> Engine:
    """The engine called `name` for one model; None: the fastest for the CPU.

    An engine that was asked for by name is never replaced by another. Raises ValueError for an
    unknown name, ImportError when the extension that it needs was not built.
    """
    if name in (None, "cpu"):
        from .cpu import CpuEngine

        return CpuEngine(model)
    if name == "reference":
        from .reference import ReferenceEngine

        return ReferenceEngine(model)
    raise ValueError(f"unknown engine {name!r}: there are {', '.join(NAMES)}")
