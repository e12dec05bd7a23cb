"""Every engine against the reference: equal latents, equal bytes, equal parameters."""

import dataclasses

import pytest
import torch
from conftest import noise

import mcm_fast
from mcm_fast import BitstreamError, Codec
from mcm_fast.exact.cpu import CpuEngine
from mcm_fast.exact.reference import ReferenceEngine
from mcm_fast.exact.types import Coded

SIZES = [(1, 1), (1, 65), (63, 64), (65, 1), (257, 513)]
CPU_THREADS = [1, 2]


def latents_like(codec: Codec, height: int, width: int, spread: float, seed: int = 0):
    """Normal latents of a y grid, as (y, z)."""
    generator = torch.Generator().manual_seed(seed)
    shapes = (
        (codec.integers.latent, height, width),
        (
            codec.integers.hyper_latent,
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
    assert torch.equal(a.exception_indexes, b.exception_indexes)
    assert torch.equal(a.exception_differences, b.exception_differences)


def assert_parity(integers, y, z, quality: int, threads: int) -> Coded:
    """Both directions, on both engines, each reading the other's stream."""
    reference, cpu = ReferenceEngine(integers), CpuEngine(integers, threads)
    expected, parameters = reference.encode(y, z, quality)
    coded, found = cpu.encode(y, z, quality)
    assert_same_coded(coded, expected)
    for name in ("mu", "indexes", "hyper"):
        assert torch.equal(getattr(found, name), getattr(parameters, name)), name
    for engine in (reference, cpu):
        y_hat, z_hat, decoded = engine.decode(coded, *y.shape[1:], quality)
        assert torch.equal(y_hat, y) and torch.equal(z_hat, z)
        assert torch.equal(decoded.mu, parameters.mu)
        assert torch.equal(decoded.indexes, parameters.indexes)
    return coded


@pytest.mark.parametrize("threads", CPU_THREADS)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_noise_image(codec, size, threads):
    latents = codec.analysis(noise(*size), 62.5)
    assert_parity(codec.integers, latents.y, latents.z, latents.quality, threads)


@pytest.mark.parametrize("quality", [0, 1, 1428, 1429, 5000, 9999, 10000])
def test_levels_and_between(codec, quality):
    y, z = latents_like(codec, 5, 9, 3.0)
    assert_parity(codec.integers, y, z, quality, 2)


@pytest.mark.parametrize("quality", [0, 5000])
def test_cost(codec, quality):
    y, z = latents_like(codec, 6, 7, 9.0)
    costs = [engine(codec.integers).cost(y, z, quality) for engine in (ReferenceEngine, CpuEngine)]
    assert costs[0] == pytest.approx(costs[1], rel=1e-9)


def test_flat_image(codec):
    latents = codec.analysis(torch.full((3, 200, 300), 131, dtype=torch.uint8), 50)
    assert_parity(codec.integers, latents.y, latents.z, latents.quality, 2)


@pytest.mark.parametrize("spread", [0.3, 40.0, 3000.0, 1e6])
def test_wide_latents(codec, spread):
    y, z = latents_like(codec, 6, 7, spread)
    assert_parity(codec.integers, y, z, 7000, 2)


def test_ends_of_int16(codec):
    y, z = latents_like(codec, 6, 7, 1.0)
    for tensor in (y, z):
        tensor.view(-1)[::3] = 2**15 - 1
        tensor.view(-1)[1::3] = -(2**15)
    assert_parity(codec.integers, y, z, 10000, 1)


def test_several_groups(codec):
    y, z = latents_like(codec, 60, 70, 3000.0)
    coded = assert_parity(codec.integers, y, z, 10000, 2)
    assert coded.groups > 1


@pytest.mark.parametrize("preset", ["small", "base"])
def test_shipped_sizes(preset):
    codec = Codec.untrained(preset, seed=1)
    y, z = latents_like(codec, 3, 5, 2.0)
    assert_parity(codec.integers, y, z, 3333, 2)


@pytest.mark.parametrize("threads", CPU_THREADS)
def test_batch_is_its_images(codec, threads):
    images = torch.stack([noise(33, 50, seed) for seed in range(5)])
    alone = [codec.compress(image, 40) for image in images]
    assert codec.compress(images, 40) == alone
    assert codec.compress(images[:1], 40) == alone[:1]


def test_certain_latents_become_exceptions(codec):
    """A model whose every index is 0: zeros cost nothing, the rest goes into the list."""
    tensors = {name: t.clone() for name, t in codec.integers.tensors.items()}
    for name, t in tensors.items():
        if name.endswith("head.weight"):
            t.zero_()
    tensors["bias"].zero_()
    integers = type(codec.integers)(tensors)
    y, z = latents_like(codec, 5, 6, 0.3)
    y[0, 2, 3], y[-1, -1, -1] = -(2**15), 2**15 - 1
    coded = assert_parity(integers, y, z, 5000, 2)
    assert len(coded.exception_indexes) == int((y != 0).sum())


@pytest.mark.parametrize("engine", ["reference", "cpu"])
def test_damage_is_found(codec, engine):
    engine = Codec.untrained("tiny", seed=0, engine=engine).engine
    y, z = latents_like(codec, 4, 6, 2.0)
    coded, _ = engine.encode(y, z, 5000)
    segment = coded.segments[0]
    for bad in (segment[:-2], segment[:-1], segment + b"\0\0", b"", b"\1" + segment[1:]):
        with pytest.raises(BitstreamError):
            damaged = engine.decode(dataclasses.replace(coded, segments=[bad]), 4, 6, 5000)
            assert not torch.equal(damaged[0], y)  # a changed state may decode, to other latents
            raise BitstreamError("other latents")


@pytest.mark.parametrize("engine", ["reference", "cpu"])
def test_wrong_exceptions(codec, engine):
    engine = Codec.untrained("tiny", seed=0, engine=engine).engine
    y, z = latents_like(codec, 4, 6, 2.0)
    coded, _ = engine.encode(y, z, 5000)
    size = y.numel() + z.numel()
    for indexes, differences in (([size], [1]), ([-1], [1]), ([5, 5], [1, 1]), ([9, 8], [1, 1])):
        bad = dataclasses.replace(
            coded,
            exception_indexes=torch.tensor(indexes),
            exception_differences=torch.tensor(differences, dtype=torch.int16),
        )
        with pytest.raises(BitstreamError):
            engine.decode(bad, 4, 6, 5000)


def test_kodak(kodak):
    """Three photographs through the shipped model: reference and C++, byte for byte."""
    check_photographs(kodak[::8], [5000])


@pytest.mark.slow
@pytest.mark.parametrize("quality", [1000, 5000, 9000])
def test_kodak_all(kodak, quality):
    check_photographs(kodak, [quality])


def check_photographs(paths, qualities):
    from mcm_fast.images import read_image

    codec = mcm_fast.load("small")
    for path in paths:
        image, _ = read_image(path)
        for quality in qualities:
            latents = codec.analysis(image, quality / 100)
            assert_parity(codec.integers, latents.y, latents.z, quality, 2)
