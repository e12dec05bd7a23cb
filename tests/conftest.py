"""Shared fixtures. Data sets are read from ../shared/data where they are, and never copied."""

import importlib
import os
from pathlib import Path
from types import ModuleType

import pytest
import torch

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # read when the kernels are imported

from mcm_fast import Codec
from mcm_fast.exact.engines import NAMES

pytest_plugins = ["c_library", "cli_runs", "cuda_engines", "training_runs"]
GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
ENGINES = [pytest.param(name, marks=GPU if name == "cuda" else ()) for name in NAMES]
ON_DEVICE = pytest.mark.gpu  # of a test, or a module, that takes a GPU where there is one
DATA = Path(__file__).parents[2] / "shared" / "data"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What cannot run without a GPU is among the tests that run on one (`-m gpu`)."""
    for item in items:
        if any(mark == GPU.mark for mark in item.iter_markers("skipif")):
            item.add_marker(ON_DEVICE)


@pytest.fixture(scope="session")
def codec() -> Codec:
    """A tiny model with random weights."""
    return Codec.untrained("tiny", seed=0)


@pytest.fixture(scope="session")
def reference() -> Codec:
    """The same model on the reference engine."""
    return Codec.untrained("tiny", seed=0, engine="reference")


@pytest.fixture(scope="session")
def kodak() -> list[Path]:
    """The 24 Kodak images."""
    paths = sorted((DATA / "kodak").glob("*.png"))
    if not paths:
        pytest.skip("the Kodak images are not here (../shared/data/kodak)")
    return paths


def noise(height: int, width: int, seed: int = 0) -> torch.Tensor:
    """A uint8 image of uniform noise."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=generator)


def device_of(engine: str) -> str:
    return "cuda" if engine == "cuda" else "cpu"


def host_program(name: str) -> ModuleType:
    """A package that `mcm_fast.integrations` is for; skips where it cannot be imported."""
    try:
        return importlib.import_module(name)
    except (ImportError, RuntimeError) as error:  # of torchvision, beside another torch's build
        pytest.skip(f"{name} cannot be imported: {error}")
