"""Loads the compiled modules when they are first used: `mcm_fast._C` and `mcm_fast._CUDA`."""

from __future__ import annotations

import importlib
from types import ModuleType


def extension() -> ModuleType:
    """`mcm_fast._C`, the C++ engine. Raises ImportError with the build command."""
    return _load("_C", "C++ engine", "pip install .")


def cuda_extension() -> ModuleType:
    """`mcm_fast._CUDA`, the CUDA range coder. Raises ImportError with the build command."""
    return _load("_CUDA", "CUDA range coder", "MCM_FAST_CUDA=1 pip install .")


def _load(name: str, title: str, build: str) -> ModuleType:
    try:
        return importlib.import_module(f"mcm_fast.{name}")
    except ImportError as error:
        message = f"the {title} cannot be loaded ({error}); build it with `{build}`"
        raise ImportError(message) from error
