"""The engines by name. All give the same bytes and the same latents."""

from __future__ import annotations

import torch

from ..inputs import is_name
from .engine import Engine
from .model import IntegerModel

NAMES = ("reference", "cpu", "cuda")


def make_engine(
    model: IntegerModel, name: str | None = None, device: str | torch.device = "cpu"
) -> Engine:
    """The engine called `name` for one model and device; None: the fastest there.

    "cuda" wants a CUDA device; "cpu" and "reference" work on the CPU, whatever the device.

    An engine that was asked for by name is never replaced by another. Raises ValueError for an
    unknown name, or an engine that cannot work for the device, ImportError when the extension that
    it needs was not built.
    """
    check_engine(name)
    if name is None:
        name = "cuda" if torch.device(device).type == "cuda" else "cpu"
    if name == "cuda":
        from .cuda.engine import CudaEngine

        return CudaEngine(model, device)
    if name == "cpu":
        from .cpu import CpuEngine

        return CpuEngine(model)
    from .reference import ReferenceEngine

    return ReferenceEngine(model)


def check_engine(name: str | None) -> str | None:
    """A name of an engine, or None."""
    if name is None or is_name(name, NAMES):
        return name
    raise ValueError(f"unknown engine {name!r}: there are {', '.join(NAMES)}")
