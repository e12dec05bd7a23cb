"""Scalar and SIMD kernels: the same integers for any shape, and the reference's."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from mcm_fast import Codec
from mcm_fast.exact.cpu import CpuEngine
from mcm_fast.exact.extension import extension
from mcm_fast.exact.model import IntegerModel
from mcm_fast.exact.reference import ReferenceEngine

LEVELS = extension().simd_names()


@pytest.fixture(autouse=True)
def restored_level():
    before = extension().simd()
    yield
    extension().use_simd(before)


def latents_like(model: IntegerModel, height: int, width: int, spread: float = 3.0):
    generator = torch.Generator().manual_seed(height * 100 + width)
    shapes = (model.y_channels, height, width), (model.z_channels, -(-height // 4), -(-width // 4))
    return tuple(
        (spread * torch.randn(shape, generator=generator)).round().to(torch.int16)
        for shape in shapes
    )


def everything(engine, y, z, quality: int):
    """All that an engine says about latents, as one comparable list."""
    [(coded, parameters)] = engine.encode([(y, z, quality)])
    [(y_hat, z_hat, decoded)] = engine.decode([(coded, *y.shape[1:], quality)])
    assert torch.equal(y_hat, y) and torch.equal(z_hat, z)
    for name in ("mu", "indexes", "hyper"):
        assert torch.equal(getattr(decoded, name), getattr(parameters, name)), name
    tensors = parameters.mu, parameters.indexes, parameters.hyper, coded.exception_indexes
    return [coded.lanes, coded.groups, coded.segments, *(tensor.tolist() for tensor in tensors)]


def assert_levels_agree(model: IntegerModel, size, threads: int, reference: bool = False) -> None:
    y, z = latents_like(model, *size)
    expected = everything(ReferenceEngine(model), y, z, 3333) if reference else None
    for level in LEVELS:
        extension().use_simd(level)
        found = everything(CpuEngine(model, threads), y, z, 3333)
        expected = expected or found
        assert found == expected, level


def ragged(model: IntegerModel, seed: int) -> IntegerModel:
    """Random weights at the ends of int8 and odd numbers of channels: no width is a multiple of 8.

    Slices of 3 channels, z of 5, and layers of 4 * 3, 4 * 7, 9; 5, 3, 1; 7, 11 outputs.
    """
    rng = np.random.default_rng(seed)
    tables = {name: t for name, t in model.tensors.items() if name.startswith("tables.")}
    slices, channels, z_channels = 8, 3, 5
    shapes = {
        "hyper.0.weight": (12, z_channels, 3, 3),
        "hyper.1.weight": (28, 3, 3, 3),
        "hyper.2.weight": (9, 7, 3, 3),
    }
    for k in range(slices):
        for size, outputs in ((3, 5), (5, 3), (7, 1)):
            taps = (size * size - 1) // 2
            shapes[f"slice.{k}.context{size}.weight"] = (outputs, taps, channels)
        if k:
            shapes[f"slice.{k}.previous.weight"] = (7, 9, k * channels)
        shapes[f"slice.{k}.hidden.weight"] = (11, 9 + 5 + 3 + 1 + (7 if k else 0))
        shapes[f"slice.{k}.head.weight"] = (2 * channels, 11)
    tensors = {
        name: torch.from_numpy(rng.integers(-128, 128, shape).astype(np.int8))
        for name, shape in shapes.items()
    }
    levels, total = model.tensors["multiplier"].shape[0], sum(s[0] for s in shapes.values())
    tensors["multiplier"] = torch.from_numpy(
        rng.integers(-60000, 60000, (levels, total)).astype(np.int32)
    )
    tensors["bias"] = torch.from_numpy(rng.integers(-(2**34), 2**34, (levels, total)))
    return IntegerModel({**tensors, **z_tables(tables, model, levels * z_channels)})


def z_tables(tables, model: IntegerModel, count: int):
    """The tables, with only the last `count` of z's, which come last."""
    start = tables["tables.start"].tolist()
    of_y = len(start) - 1 - model.tensors["multiplier"].shape[0] * model.z_channels
    end = of_y + count
    return {
        **tables,
        "tables.cdf": tables["tables.cdf"][: start[end]],
        "tables.start": tables["tables.start"][: end + 1],
        "tables.minimum": tables["tables.minimum"][:end],
    }


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("size", [(1, 1), (2, 7), (9, 5), (17, 30)], ids=str)
def test_tiny(codec, size, threads):
    assert_levels_agree(codec.integers, size, threads, reference=threads == 2 and size < (9, 9))


@pytest.mark.parametrize("preset", ["small", "base"])
def test_presets(preset):
    """Large enough for two threads to share the steps of the wavefront (csrc/team.h)."""
    assert_levels_agree(Codec.untrained(preset, seed=2).integers, (24, 36), 2)


@pytest.mark.parametrize("seed", range(3))
def test_ragged_channels(codec, seed):
    """Odd channel counts against the reference: the padding to pairs and blocks adds nothing."""
    assert_levels_agree(ragged(codec.integers, seed), (5, 9), 2, reference=True)


def test_many_rows_make_several_batches(codec):
    """More than 24 positions of one slice share a step."""
    assert_levels_agree(codec.integers, (120, 110), 2)


def test_unknown_level():
    with pytest.raises(ValueError, match="no SIMD level sse9"):
        extension().use_simd("sse9")
    assert extension().simd() in LEVELS


@pytest.mark.parametrize("level", LEVELS)
def test_environment_chooses(level):
    code = "from mcm_fast.exact.extension import extension; print(extension().simd())"
    environment = {**os.environ, "MCM_FAST_SIMD": level}
    found = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == level
