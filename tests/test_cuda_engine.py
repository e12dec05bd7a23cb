"""The CUDA engine against the others: on a GPU; without one on the CPU, its kernels interpreted."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from conftest import ON_DEVICE, noise
from cuda_engines import CASES, DEVICE, assert_decoded, items_like
from test_engines import (
    assert_same_coded,
    assert_same_parameters,
    certain_model,
    latents_like,
)

from mcm_fast import BitstreamError, Codec
from mcm_fast.exact.cuda import batch as images
from mcm_fast.exact.cuda.engine import CudaEngine
from mcm_fast.exact.cuda.launch import CONTEXT_ALL
from mcm_fast.exact.cuda.wavefront import Wavefront
from mcm_fast.exact.engines import make_engine
from mcm_fast.exact.reference import ReferenceEngine

pytestmark = [ON_DEVICE, pytest.mark.usefixtures("interpreted")]


@pytest.fixture(scope="module")
def engine(codec):
    return CudaEngine(codec.integers, DEVICE)


def with_layout(integers, item, lanes: int, groups: int):
    """As the reference codes an image, with lanes and groups that its size does not call for."""
    writer, parameters = ReferenceEngine(integers)._write(*item)
    coded = dataclasses.replace(writer.finish(), lanes=lanes, groups=groups)
    return dataclasses.replace(coded, segments=writer.coder.segments(lanes, groups)), parameters


def test_encode_a_batch(codec, engine):
    """Narrow and wide latents, escapes, several lanes, qualities at levels and between them."""
    items = items_like(codec, *CASES)
    found = engine.encode(items)
    for item, (coded, parameters) in zip(items, found, strict=True):
        [(expected, said)] = ReferenceEngine(codec.integers).encode([item])
        assert_same_coded(coded, expected)
        assert_same_coded(coded, codec.engine.encode([item])[0][0])
        assert_same_parameters(parameters, said)
    assert [coded.lanes for coded, _ in found] == [1, 1, 1, 8]


def test_several_groups(codec, engine, monkeypatch):
    if DEVICE == "cpu":
        monkeypatch.setitem(CONTEXT_ALL, "TILE", 1024)  # fewer, and so quicker in Python
    y, z = latents_like(codec, 30, 32, 1e6)
    [(coded, _)] = engine.encode([(y, z, 10000)])
    assert coded.groups > 1
    assert_same_coded(coded, codec.engine.encode([(y, z, 10000)])[0][0])


def test_decode_a_batch(codec, engine):
    """Images of other sizes and layouts, one of them damaged, on one wavefront."""
    items = items_like(codec, *CASES[:3])
    layouts = [(8, 1), (32, 2), (32, 32)]
    streams, parameters = [], []
    for item, layout in zip(items, layouts, strict=True):
        coded, said = with_layout(codec.integers, item, *layout)
        streams.append((coded, *item[0].shape[1:], item[2]))
        parameters.append(said)
    coded = streams[1][0]
    bad = dataclasses.replace(coded, segments=[coded.segments[0], coded.segments[1][:-2]])
    found = engine.decode([*streams[:2], (bad, *streams[1][1:]), streams[2]])
    assert isinstance(found.pop(2), BitstreamError)
    assert_decoded(found, items, parameters)


def test_exceptions(codec):
    integers = certain_model(codec.integers)
    engine, (item, other) = (
        CudaEngine(integers, DEVICE),
        items_like(codec, *[(1, 2, 0.3, 5000)] * 2),
    )
    item[0][0, 0, 1], item[0][-1, -1, -1] = -(2**15), 2**15 - 1
    found = engine.encode([item, other])
    [(expected, parameters)] = ReferenceEngine(integers).encode([item])
    assert_same_coded(found[0][0], expected)
    assert len(expected.exception_indexes) == int((item[0] != 0).sum())
    coded = [pair[0] for pair in found]
    decoded = engine.decode([(one, 1, 2, 5000) for one in coded])
    assert_decoded(decoded[:1], [item], [parameters])
    assert torch.equal(decoded[1][0].cpu(), other[0])
    assert engine.cost(*item) == pytest.approx(ReferenceEngine(integers).cost(*item), rel=1e-9)


def test_damage(codec, engine):
    """What the host sees and what the device sees, all in one batch with an image that is whole."""
    item = items_like(codec, (1, 1, 2.0, 5000))[0]
    [(coded, parameters)] = codec.engine.encode([item])
    segment, size = coded.segments[0], item[0].numel() + item[1].numel()
    bad = [
        dataclasses.replace(coded, segments=segments)
        for segments in ([], [segment, segment], [segment[:-1]], [b""], [segment[:-2]])
    ]
    bad += [
        dataclasses.replace(coded, segments=[segment + b"\0\0"], lanes=lanes) for lanes in (1, 3)
    ]
    for indexes, differences in (
        ([size], [1]),
        ([-1], [1]),
        ([5, 5], [1, 1]),
        ([5], [0]),
        ([9], [1]),
    ):
        exceptions = np.array(indexes), np.array(differences, np.int16)
        names = "exception_indexes", "exception_differences"
        bad.append(dataclasses.replace(coded, **dict(zip(names, exceptions, strict=True))))
    whole, *found = engine.decode([(one, 1, 1, 5000) for one in (coded, *bad)])
    assert_decoded([whole], [item], [parameters])
    assert len(found) == len(bad) and all(isinstance(one, BitstreamError) for one in found)
    assert "segments" in str(found[0])
    [huge] = engine.decode([(coded, 2**16, 2**16, 5000)])
    assert isinstance(huge, BitstreamError) and "too many" in str(huge)


def test_wrong_arguments(codec, engine):
    y, z = latents_like(codec, 4, 5, 1.0)
    for bad in ((y.int(), z, 0), (y, z[1:], 0), (y[1:], z, 0), (y[0], z, 0), (y, z, 10001)):
        for call in (engine.parameters, engine.cost, lambda *item: engine.encode([item])):
            with pytest.raises(ValueError):
                call(*bad)
    assert engine.encode([]) == [] and engine.decode([]) == []


def test_large_batches_are_cut(codec, engine, monkeypatch):
    items = items_like(codec, *[(1, 1, 2.0, 5000)] * 3)
    expected = codec.engine.encode(items)
    monkeypatch.setattr(images, "IMAGES", 2)
    found = engine.encode(items)
    for (coded, _), (want, _) in zip(found, expected, strict=True):
        assert_same_coded(coded, want)
    assert_decoded(
        engine.decode([(coded, 1, 1, 5000) for coded, _ in found]),
        items,
        [parameters for _, parameters in expected],
    )


@pytest.mark.parametrize("sizes", [[], [3], [3, 3], [1, 9, 1, 1, 1, 1], [9, 9], [1] * 7])
def test_batches(sizes, monkeypatch):
    monkeypatch.setattr(images, "IMAGES", 3)
    monkeypatch.setattr(images, "POSITIONS", 6)
    parts = [sizes[part] for part in images.in_batches([(1, n, 0) for n in sizes])]
    assert sum(parts, []) == sizes
    assert all(len(part) <= 3 and (len(part) == 1 or sum(part) <= 6) for part in parts)


def test_codec(codec):
    """The road with this engine: the same streams, the same images."""
    other = Codec(codec.network, codec.integers, codec.device, None)
    other.engine = CudaEngine(codec.integers, DEVICE)
    images = [noise(16, 30, 1), noise(1, 1, 2), noise(20, 9, 3)]
    streams = codec.compress_many(images, 40)
    assert other.compress_many(images, 40) == streams
    assert other.decode(streams[0]) == codec.decode(streams[0])
    found = other.decompress_many([streams[0], streams[1][:-1], streams[2]], on_error="return")
    assert isinstance(found.pop(1), BitstreamError)
    assert all(
        torch.equal(a, codec.decompress(s)) for a, s in zip(found, streams[::2], strict=True)
    )


def test_tiles_are_a_batch(codec, monkeypatch):
    """All coding tiles of an image go on one wavefront."""
    other = Codec(codec.network, codec.integers, codec.device, None)
    other.engine, batches = CudaEngine(codec.integers, DEVICE), []
    decode = Wavefront.decode

    def counting(self, batch, *arrays):
        batches.append(len(batch.sizes))
        return decode(self, batch, *arrays)

    monkeypatch.setattr(Wavefront, "decode", counting)
    stream = codec.compress(noise(20, 130), 40, tiles=64)
    assert other.decode(stream) == codec.decode(stream)
    assert batches == [3]


def test_threads(codec, engine):
    """In inference mode and out of it, on one engine."""
    items = items_like(codec, *[(1, 1, 2.0, 5000 + i) for i in range(4)])

    def there_and_back(item):
        with torch.inference_mode(item[2] % 2 == 0):
            [(coded, parameters)] = engine.encode([item])
            return engine.decode([(coded, *item[0].shape[1:], item[2])])[0], parameters

    with ThreadPoolExecutor(4) as pool:
        for item, (decoded, said) in zip(items, pool.map(there_and_back, items), strict=True):
            assert_decoded([decoded], [item], [said])


def test_engine_by_device(codec):
    assert type(make_engine(codec.integers)).__name__ == "CpuEngine"
    assert isinstance(make_engine(codec.integers, "cuda", DEVICE), CudaEngine)
    if DEVICE == "cuda":
        assert isinstance(make_engine(codec.integers, None, "cuda"), CudaEngine)
    else:
        with pytest.raises(ValueError, match="cuda"):
            make_engine(codec.integers, None, "cuda")


def test_no_triton(codec, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "triton", None)
    with pytest.raises(ImportError, match="pip install triton"):
        make_engine(codec.integers, "cuda", DEVICE)


def test_compiled_kernels_want_a_gpu(codec, monkeypatch):
    """Never replaced by another engine where it cannot run."""
    import triton

    from mcm_fast.kernels import step

    kind = type(step.context_step)
    monkeypatch.setattr(triton, "JITFunction", kind if DEVICE == "cpu" else type(None))
    with pytest.raises(ValueError, match="TRITON_INTERPRET"):
        make_engine(codec.integers, "cuda", DEVICE)


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["tiny", "small", "base"])
def test_larger(preset):
    codec = Codec.untrained(preset, seed=1)
    engine = CudaEngine(codec.integers, DEVICE)
    items = items_like(codec, (9, 13, 2.0, 3333), (3, 5, 40.0, 9000))
    found = engine.encode(items)
    expected = codec.engine.encode(items)
    for (coded, _), (want, _) in zip(found, expected, strict=True):
        assert_same_coded(coded, want)
    streams = [(c, *y.shape[1:], q) for (c, _), (y, _, q) in zip(found, items, strict=True)]
    assert_decoded(engine.decode(streams), items, [said for _, said in expected])
