"""The CUDA engine against the others: on a GPU; without one on the CPU, its kernels interpreted."""

import contextlib
import dataclasses
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import ON_DEVICE, noise
from interpreter import quick_interpreter
from test_engines import (
    assert_same_coded,
    assert_same_parameters,
    certain_model,
    latents_like,
)
from torch.utils._python_dispatch import TorchDispatchMode

from mcm_fast import BitstreamError, Codec
from mcm_fast.exact.cuda import batch as images
from mcm_fast.exact.cuda.decode import GRAPH_STEPS, Wavefront, captured
from mcm_fast.exact.cuda.device import launch
from mcm_fast.exact.cuda.engine import CudaEngine
from mcm_fast.exact.cuda.launch import CONTEXT_ALL
from mcm_fast.exact.cuda.layers import Layers
from mcm_fast.exact.engines import make_engine
from mcm_fast.exact.reference import ReferenceEngine
from mcm_fast.exact.wavefront import wavefront_steps

pytestmark = ON_DEVICE
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


@pytest.fixture(scope="module", autouse=True)
def interpreter():
    with quick_interpreter():
        yield


@pytest.fixture(scope="module")
def engine(codec):
    return CudaEngine(codec.integers, DEVICE)


def items_like(codec, *cases):
    """(y, z, quality) of cases (height, width, spread, quality)."""
    return [
        (*latents_like(codec, height, width, spread, seed), quality)
        for seed, (height, width, spread, quality) in enumerate(cases)
    ]


def assert_decoded(found, items, parameters):
    for (y, z, decoded), (*latents, _), expected in zip(found, items, parameters, strict=True):
        assert torch.equal(y.cpu(), latents[0]) and torch.equal(z.cpu(), latents[1])
        assert_same_parameters(decoded, expected)


def with_layout(integers, item, lanes: int, groups: int):
    """As the reference codes an image, with lanes and groups that its size does not call for."""
    writer, parameters = ReferenceEngine(integers)._write(*item)
    coded = dataclasses.replace(writer.finish(), lanes=lanes, groups=groups)
    return dataclasses.replace(coded, segments=writer.coder.segments(lanes, groups)), parameters


CASES = [(1, 1, 2.0, 0), (2, 3, 0.3, 1429), (1, 2, 40.0, 5000), (5, 7, 1e6, 10000)]


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


def test_one_wavefront_serves_many_sizes(codec):
    engine, decoder = CudaEngine(codec.integers, DEVICE), None
    for case in ((1, 2, 2.0, 50), (2, 1, 2.0, 9000), (1, 1, 0.1, 5000)):
        items = items_like(codec, case)
        [(coded, parameters)] = codec.engine.encode(items)
        stream = coded, *case[:2], case[3]
        assert_decoded(engine.decode([stream]), items, [parameters])
        kept = list(engine._decoder._kept.values())
        assert decoder in (None, kept[0]) and len(kept) == 1
        decoder = kept[0]


@pytest.mark.skipif(DEVICE == "cuda", reason="a GPU has graphs of its own")
def test_graphs_are_launched_to_the_end(codec, monkeypatch):
    """With a stand-in for a graph: as many as it takes; steps beyond the last do nothing."""
    engine, launches = CudaEngine(codec.integers, DEVICE), []
    (item,) = items_like(codec, (1, 2, 2.0, 5000))
    [(coded, parameters)] = codec.engine.encode([item])
    engine.decode([(coded, 1, 2, 5000)])
    (wavefront,) = engine._decoder._kept.values()

    class Graph:
        def capture_begin(self, capture_error_mode: str) -> None:
            assert capture_error_mode == "thread_local"

        def capture_end(self) -> None:
            launches.clear()

        def replay(self) -> None:
            launches.append(GRAPH_STEPS)
            for _ in range(GRAPH_STEPS):
                wavefront._step()

    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "Stream", lambda device, priority: None)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: contextlib.nullcontext())
    wavefront.graph = captured(wavefront._step, engine.device)
    assert_decoded(engine.decode([(coded, 1, 2, 5000)]), [item], [parameters])
    count = wavefront_steps(1, 2, codec.integers.slices)
    assert count % GRAPH_STEPS and count <= sum(launches) < count + GRAPH_STEPS


@pytest.mark.skipif(DEVICE == "cuda", reason="a GPU has its own order")
def test_order_and_old_memory_do_not_matter(codec, monkeypatch):
    """Programs of a launch last to first, lazy sums behind the coder in place of before it, new
    memory full of something."""
    from triton.runtime.interpreter import interpreter_builder as builder

    in_order = type(builder).set_grid_idx

    def backwards(self, *place):
        in_order(self, *(n - 1 - i for n, i in zip(self.grid_dim, place, strict=True)))

    def dirty(self, *shape, dtype=torch.int32):
        tensor = torch.empty(shape, dtype=dtype, device=self.device)
        tensor.view(-1).view(torch.uint8).fill_(0x55)
        return tensor

    def coder_first(self):
        self._context()
        launch(self.device, "decode_step", self.fields)
        self._lazy()

    monkeypatch.setattr(type(builder), "set_grid_idx", backwards)
    monkeypatch.setattr(Layers, "empty", dirty)
    monkeypatch.setattr(Wavefront, "_step", coder_first)
    engine, items = CudaEngine(codec.integers, DEVICE), items_like(codec, *CASES[:3])
    found, expected = engine.encode(items), codec.engine.encode(items)
    for (coded, _), (want, _) in zip(found, expected, strict=True):
        assert_same_coded(coded, want)
    streams = [(c, *y.shape[1:], q) for (c, _), (y, _, q) in zip(found, items, strict=True)]
    assert_decoded(engine.decode(streams), items, [said for _, said in expected])


def test_a_step_allocates_nothing(codec, monkeypatch):
    """What a graph may replay: no operation of torch, and the same addresses each time, which are
    those of memory that the wavefront or the engine keeps."""
    engine = CudaEngine(codec.integers, DEVICE)
    batch = images.Batch(codec.integers, [(2, 3, 50)], 1)
    wavefront, addresses, operations = engine._decoder._wavefront(batch, 1), [], []

    class Kernel:
        def __getitem__(self, grid):
            return lambda *arrays, **_: addresses.append([grid, *map(address, arrays)])

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            operations.append(function)
            return function(*args, **(kwargs or {}))

    def address(value):
        return value.data_ptr() if isinstance(value, torch.Tensor) else value

    def coder(device, name, fields):
        addresses.append([name, *map(address, fields.values())])

    kernels = SimpleNamespace(context_step=Kernel(), context_lazy=Kernel())
    monkeypatch.setattr(wavefront.layers, "step", kernels)
    monkeypatch.setattr("mcm_fast.exact.cuda.decode.launch", coder)
    monkeypatch.setattr(wavefront, "side", None)
    with Watch():
        for _ in range(2):
            wavefront._step()
    assert not operations and len(addresses) == 6 and addresses[:3] == addresses[3:]
    kept = [*wavefront.arrays, *wavefront.picks, *wavefront.affine, *wavefront.coder.values()]
    kept += [wavefront.parcel.memory, wavefront.sums, wavefront.coming, wavefront.y]
    kept += [t for t in wavefront.fields.values() if isinstance(t, torch.Tensor)]
    kept += [t for t in vars(wavefront.layers.packed).values() if isinstance(t, torch.Tensor)]
    spans = [(t.data_ptr(), t.data_ptr() + max(t.numel() * t.element_size(), 1)) for t in kept]
    pointers = {a for row in addresses for a in row if isinstance(a, int) and a > 2**20}
    assert pointers and all(any(i <= a < j for i, j in spans) for a in pointers)


def test_a_step_on_two_streams(codec, monkeypatch):
    """The lazy sums wait for the context step, not for the coder; the next step for both."""
    engine = CudaEngine(codec.integers, DEVICE)
    batch = images.Batch(codec.integers, [(1, 1, 50)], 1)
    wavefront, events = engine._decoder._wavefront(batch, 1), []

    class Stream:
        def __init__(self, name):
            self.name = name

        def wait_stream(self, other):
            events.append(f"{self.name} waits for {other.name}")

    here, streams = Stream("main"), ["main"]

    @contextlib.contextmanager
    def on(stream):
        streams.append(stream.name)
        yield
        streams.pop()

    def queued(what):
        return lambda *_: events.append(f"{what} on {streams[-1]}")

    monkeypatch.setattr(torch.cuda, "current_stream", lambda *_: here)
    monkeypatch.setattr(torch.cuda, "stream", on)
    monkeypatch.setattr(wavefront, "side", Stream("side"))
    monkeypatch.setattr(wavefront, "_context", queued("context"))
    monkeypatch.setattr(wavefront, "_lazy", queued("lazy"))
    monkeypatch.setattr("mcm_fast.exact.cuda.decode.launch", queued("coder"))
    wavefront._step()
    assert events == [
        "context on main",
        "side waits for main",
        "coder on main",
        "lazy on side",
        "main waits for side",
    ]


def test_memory_grows_to_the_largest(codec):
    engine = CudaEngine(codec.integers, DEVICE)
    item = items_like(codec, (1, 1, 2.0, 50))[0]
    [(coded, parameters)] = codec.engine.encode([item])
    batch = images.Batch(codec.integers, [(1, 1, 50)], 1)
    found = [engine._decoder._wavefront(batch, room) for room in (1, 2**17, 2)]
    assert found[0] is not found[1] is found[2]
    assert_decoded(engine.decode([(coded, 1, 1, 50)]), [item], [parameters])
    assert len(engine._decoder._kept) == 1


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
