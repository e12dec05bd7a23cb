"""The wavefront's memory, graph and order of launches: on a GPU; without one interpreted."""

import contextlib
import random
from types import SimpleNamespace

import pytest
import torch
from conftest import ON_DEVICE
from cuda_engines import CASES, DEVICE, assert_decoded, items_like
from graph_double import stand_in
from test_engines import assert_same_coded
from torch.utils._python_dispatch import TorchDispatchMode

from mcm_fast.exact.cuda import batch as images
from mcm_fast.exact.cuda.device import launch
from mcm_fast.exact.cuda.engine import CudaEngine
from mcm_fast.exact.cuda.layers import Layers
from mcm_fast.exact.cuda.wavefront import GRAPH_STEPS, Wavefront
from mcm_fast.exact.wavefront import wavefront_steps

pytestmark = [ON_DEVICE, pytest.mark.usefixtures("interpreted")]


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


def backwards(place: int, count: int) -> int:
    return count - 1 - place


def shuffled(place: int, count: int) -> int:
    return random.Random(count).sample(range(count), count)[place]


@pytest.mark.skipif(DEVICE == "cuda", reason="a GPU has graphs of its own")
def test_graphs_are_launched_to_the_end(codec, monkeypatch):
    """With a stand-in for graphs: as many as it takes; steps beyond the last do nothing. A graph
    allocates nothing and names no memory that was let go of; what comes before the first step is
    captured once for images of up to so many positions."""
    cuda = stand_in(monkeypatch)
    engine = CudaEngine(codec.integers, DEVICE)
    sizes, seen = [(1, 2), (2, 1), (1, 5), (1, 6), (1, 2)], set()
    uneven = False
    items = items_like(codec, *[(*size, 2.0, 5000) for size in sizes])
    for (height, width), item, coded in zip(sizes, items, codec.engine.encode(items), strict=True):
        before, stream = cuda.replays, (coded[0], height, width, 5000)
        assert_decoded(engine.decode([stream]), [item], [coded[1]])
        (wavefront,) = engine._decoder._kept.values()
        steps = wavefront_steps(height, width, codec.integers.slices)
        replayed = set(wavefront.preludes) == seen  # what comes before the first step, too
        uneven |= steps % GRAPH_STEPS > 0
        assert cuda.replays - before == -(-steps // GRAPH_STEPS) + replayed
        seen = set(wavefront.preludes)
    assert uneven and seen == {1, 2}
    assert cuda.launches == [3 * GRAPH_STEPS, 7, 7]  # of the steps; of what comes before
    graphs = [wavefront.graph, *wavefront.preludes.values()]
    assert not any(graph.results for graph in graphs)


@pytest.mark.skipif(DEVICE == "cuda", reason="a GPU has graphs of its own")
@pytest.mark.parametrize("name", ["z", "sums"])
def test_a_stale_address_is_seen(codec, monkeypatch, name):
    """By the stand-in: it would prove nothing otherwise."""
    stand_in(monkeypatch)
    engine = CudaEngine(codec.integers, DEVICE)
    (item,) = items_like(codec, (1, 1, 2.0, 5000))
    [(coded, parameters)] = codec.engine.encode([item])
    assert_decoded(engine.decode([(coded, 1, 1, 5000)]), [item], [parameters])
    (wavefront,) = engine._decoder._kept.values()
    wavefront.fields.pop(name, None)
    setattr(wavefront, name, getattr(wavefront, name).clone())
    with pytest.raises(AssertionError, match="a stale address"):
        engine.decode([(coded, 1, 1, 5000)])


@pytest.mark.skipif(DEVICE == "cuda", reason="a GPU has its own order")
@pytest.mark.parametrize("order", [backwards, shuffled])
def test_order_and_old_memory_do_not_matter(codec, monkeypatch, order):
    """Programs of a launch last to first, or drawn; lazy sums behind the coder in place of before
    it, new memory full of something."""
    from triton.runtime.interpreter import interpreter_builder as builder

    in_order = type(builder).set_grid_idx

    def in_another(self, *place):
        in_order(self, *map(order, place, self.grid_dim))

    def dirty(self, *shape, dtype=torch.int32):
        tensor = torch.empty(shape, dtype=dtype, device=self.device)
        tensor.view(-1).view(torch.uint8).fill_(0x55)
        return tensor

    def coder_first(self):
        self._context()
        launch(self.device, "decode_step", self.fields)
        self._lazy(self.coming)

    monkeypatch.setattr(type(builder), "set_grid_idx", in_another)
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
    monkeypatch.setattr("mcm_fast.exact.cuda.wavefront.launch", coder)
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
    monkeypatch.setattr("mcm_fast.exact.cuda.wavefront.launch", queued("coder"))
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
