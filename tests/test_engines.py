"""Every engine against the reference: equal latents, equal bytes, equal parameters."""

import dataclasses

import numpy as np
import pytest
import torch
from conftest import ENGINES, GPU, device_of, noise

import mcm_fast
from mcm_fast import BitstreamError, Codec
from mcm_fast.exact.cpu import CpuEngine
from mcm_fast.exact.engine import Coded, Parameters
from mcm_fast.exact.engines import make_engine
from mcm_fast.exact.model import IntegerModel
from mcm_fast.exact.reference import ReferenceEngine

SIZES = [(1, 1), (1, 65), (63, 64), (65, 1), (257, 513)]
CPU_THREADS = [1, 2]
# Without a GPU the CUDA engine is interpreted, and has a file of its own: test_cuda_engine.py.
RUNNERS = [*CPU_THREADS, pytest.param("cuda", marks=GPU)]


def latents_like(codec: Codec, height: int, width: int, spread: float, seed: int = 0):
    """Normal latents of a y grid, as (y, z)."""
    generator = torch.Generator().manual_seed(seed)
    shapes = (
        (codec.integers.y_channels, height, width),
        (
            codec.integers.z_channels,
            -(-height // 4),
            -(-width // 4),
        ),
    )
    return tuple(
        (spread * torch.randn(shape, generator=generator))
        .round()
        .clamp(-(2**15), 2**15 - 1)
        .to(torch.int16)
        for shape in shapes
    )


def assert_same_coded(a: Coded, b: Coded) -> None:
    assert (a.lanes, a.groups, a.segments) == (b.lanes, b.groups, b.segments)
    assert np.array_equal(a.exception_indexes, b.exception_indexes)
    assert np.array_equal(a.exception_differences, b.exception_differences)


def assert_same_parameters(a: Parameters, b: Parameters) -> None:
    for name in ("mu", "indexes", "hyper"):
        assert torch.equal(getattr(a, name).cpu(), getattr(b, name).cpu()), name


def assert_parity(integers, y, z, quality: int, runner: int | str) -> Coded:
    """Both directions, on the reference and the C++ engine with so many threads or the CUDA engine,
    each reading the other's stream."""
    reference, fast = ReferenceEngine(integers), engine_of(integers, runner)
    [(expected, parameters)] = reference.encode([(y, z, quality)])
    [(coded, found)] = fast.encode([(y, z, quality)])
    assert_same_coded(coded, expected)
    assert_same_parameters(found, parameters)
    for engine in (reference, fast):
        [(y_hat, z_hat, decoded)] = engine.decode([(coded, *y.shape[1:], quality)])
        assert torch.equal(y_hat.cpu(), y) and torch.equal(z_hat.cpu(), z)
        assert_same_parameters(decoded, parameters)
    return coded


@pytest.fixture(params=RUNNERS)
def runner(request):
    return request.param


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_noise_image(codec, size, runner):
    latents = codec.analysis(noise(*size), 62.5)
    assert_parity(codec.integers, latents.y, latents.z, latents.quality_steps, runner)


@pytest.mark.parametrize("quality", [0, 1, 1428, 1429, 5000, 9999, 10000])
def test_levels_and_between(codec, quality, runner):
    y, z = latents_like(codec, 5, 9, 3.0)
    assert_parity(codec.integers, y, z, quality, runner)


def engine_of(integers, runner: int | str):
    return (
        make_engine(integers, "cuda", "cuda") if runner == "cuda" else CpuEngine(integers, runner)
    )


@pytest.mark.parametrize("quality", [0, 5000])
def test_cost(codec, quality, runner):
    item = *latents_like(codec, 6, 7, 9.0), quality
    expected = ReferenceEngine(codec.integers).cost(*item)
    assert engine_of(codec.integers, runner).cost(*item) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("quality", [0, 5000])
def test_parameters(codec, quality, runner):
    item = *latents_like(codec, 6, 7, 9.0), quality
    expected = ReferenceEngine(codec.integers).parameters(*item)
    assert_same_parameters(engine_of(codec.integers, runner).parameters(*item), expected)


def test_flat_image(codec, runner):
    latents = codec.analysis(torch.full((3, 200, 300), 131, dtype=torch.uint8), 50)
    assert_parity(codec.integers, latents.y, latents.z, latents.quality_steps, runner)


@pytest.mark.parametrize("spread", [0.3, 40.0, 3000.0, 1e6])
def test_wide_latents(codec, spread, runner):
    y, z = latents_like(codec, 6, 7, spread)
    assert_parity(codec.integers, y, z, 7000, runner)


def test_ends_of_int16(codec, runner):
    y, z = latents_like(codec, 6, 7, 1.0)
    for tensor in (y, z):
        tensor.view(-1)[::3] = 2**15 - 1
        tensor.view(-1)[1::3] = -(2**15)
    assert_parity(codec.integers, y, z, 10000, runner)


@pytest.mark.parametrize("runner", RUNNERS[1:])
def test_several_groups(codec, runner):
    y, z = latents_like(codec, 30, 35, 3000.0)
    coded = assert_parity(codec.integers, y, z, 10000, runner)
    assert coded.groups > 1


@pytest.mark.parametrize("runner", RUNNERS[1:])
@pytest.mark.parametrize("preset", ["small", "base"])
def test_shipped_sizes(preset, runner):
    codec = Codec.untrained(preset, seed=1)
    y, z = latents_like(codec, 3, 5, 2.0)
    assert_parity(codec.integers, y, z, 3333, runner)


@pytest.mark.parametrize("threads", CPU_THREADS)
def test_batch_is_its_images(codec, threads):
    images = torch.stack([noise(33, 50, seed) for seed in range(5)])
    alone = [codec.compress(image, 40) for image in images]
    assert codec.compress_many(images, 40) == alone
    assert codec.compress_many(images[:1], 40) == alone[:1]


def certain_model(integers: IntegerModel) -> IntegerModel:
    """Every index is 0: zeros cost nothing, the rest goes into the list of exceptions."""
    tensors = {name: t.clone() for name, t in integers.tensors.items()}
    for name, t in tensors.items():
        if name.endswith("head.weight"):
            t.zero_()
    tensors["bias"].zero_()
    return IntegerModel(tensors)


def test_certain_latents_become_exceptions(codec, runner):
    integers = certain_model(codec.integers)
    y, z = latents_like(codec, 5, 6, 0.3)
    y[0, 2, 3], y[-1, -1, -1] = -(2**15), 2**15 - 1
    coded = assert_parity(integers, y, z, 5000, runner)
    assert len(coded.exception_indexes) == int((y != 0).sum())


@pytest.mark.parametrize("engine", ENGINES)
def test_damage_is_found(codec, engine):
    engine = make_engine(codec.integers, engine, device_of(engine))
    y, z = latents_like(codec, 4, 6, 2.0)
    [(coded, _)] = engine.encode([(y, z, 5000)])
    segment = coded.segments[0]
    for bad in (segment[:-2], segment[:-1], segment + b"\0\0", b"", b"\1" + segment[1:]):
        damaged = dataclasses.replace(coded, segments=[bad])
        [outcome] = engine.decode([(damaged, 4, 6, 5000)])
        # A changed state may decode, to other latents.
        assert isinstance(outcome, BitstreamError) or not torch.equal(outcome[0].cpu(), y)


@pytest.mark.parametrize("engine", ENGINES)
def test_wrong_exceptions(codec, engine):
    engine = make_engine(codec.integers, engine, device_of(engine))
    y, z = latents_like(codec, 4, 6, 2.0)
    [(coded, _)] = engine.encode([(y, z, 5000)])
    size = y.numel() + z.numel()
    for indexes, differences in (([size], [1]), ([-1], [1]), ([5, 5], [1, 1]), ([9, 8], [1, 1])):
        bad = dataclasses.replace(
            coded,
            exception_indexes=np.array(indexes),
            exception_differences=np.array(differences, np.int16),
        )
        whole, damaged = engine.decode([(coded, 4, 6, 5000), (bad, 4, 6, 5000)])
        assert torch.equal(whole[0].cpu(), y) and isinstance(damaged, BitstreamError)


@pytest.mark.parametrize("runner", RUNNERS[1:])
def test_kodak(kodak, runner):
    """A photograph through the shipped model, byte for byte; all of them below."""
    check_photographs(kodak[7:8], [5000], runner)


@pytest.mark.slow
@pytest.mark.parametrize("runner", RUNNERS[1:])
@pytest.mark.parametrize("quality", [1000, 5000, 9000])
def test_kodak_all(kodak, quality, runner):
    check_photographs(kodak, [quality], runner)


def check_photographs(paths, qualities, runner):
    from mcm_fast.images import read_image

    codec = mcm_fast.load("small")
    for path in paths:
        image, _ = read_image(path)
        for quality in qualities:
            latents = codec.analysis(image, quality / 100)
            assert_parity(codec.integers, latents.y, latents.z, quality, runner)
