"""torch.cuda's streams and graphs without a GPU, for kernels that are interpreted.

Of a captured launch is kept what a GPU keeps of it: the kernel, its grid, numbers and raw
addresses. Nothing runs in a capture. A replay runs the launches on what lies at these addresses by
then, in an order that the streams allow, drawn anew each time. Memory that is let go of is poisoned
at once, and an error if a launch names it; new memory is poisoned, too.

Operations of torch can be captured, too. Their results lie in the graph's own memory, which is
poisoned when a graph runs that shares it.
"""

from __future__ import annotations

import contextlib
import ctypes
import random
import weakref
from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

POISON, ALIGNED = 0x55, 256


class Cuda:
    """What stands in for a device. `launches`: how many were captured, of each graph in turn."""

    def __init__(self, seed: int = 0):
        self.random, self.memory, self.freed = random.Random(seed), [], []
        self.main = self.stream = Stream(self)
        self.launches: list[int] = []
        self.replays = 0
        self.pools: dict[int, list[Graph]] = {}

    def empty(self, *shape, dtype: torch.dtype = torch.float32, memory_format=None, **_) -> Tensor:
        """In place of torch.empty."""
        shape = shape[0] if shape and not isinstance(shape[0], int) else shape
        innermost = memory_format == torch.channels_last
        shape = (shape[0], *shape[2:], shape[1]) if innermost else shape
        count, item = torch.Size(shape).numel(), dtype.itemsize
        if count == 0:
            return torch.zeros(shape, dtype=dtype)
        memory = bytearray([POISON]) * (count * item + ALIGNED)
        at = -ctypes.addressof(ctypes.c_char.from_buffer(memory)) % ALIGNED
        block = (ctypes.c_ubyte * (count * item)).from_buffer(memory, at)
        self.memory.append(memory)
        weakref.finalize(block, self._let_go, ctypes.addressof(block), count * item)
        tensor = torch.frombuffer(block, dtype=dtype).view(shape)
        return tensor.movedim(-1, 1) if innermost else tensor

    def _let_go(self, address: int, size: int) -> None:
        ctypes.memset(address, POISON, size)  # the memory stays ours: nothing else will lie there
        self.freed.append((address, address + size))

    def check(self, address: int) -> None:
        """AssertionError if it is one of memory that was let go of."""
        assert not any(first <= address < end for first, end in self.freed), "a stale address"

    def queue(self, work: Callable[[], None]) -> None:
        """On the current stream: at once, or for each replay."""
        stream = self.stream
        if stream.graph is None:
            work()
            return
        stream.graph.nodes.append((work, frozenset(stream.after)))
        stream.after = {len(stream.graph.nodes) - 1}

    @contextlib.contextmanager
    def on(self, stream: Stream | None) -> Iterator[None]:
        before, self.stream = self.stream, stream or self.stream
        try:
            yield
        finally:
            self.stream = before


class Stream:
    """`after`: what comes next in it waits for these launches of `graph`, which is captured."""

    def __init__(self, cuda: Cuda):
        self.cuda, self.graph, self.after = cuda, None, set()
        self.cuda_stream = 0

    def wait_stream(self, other: Stream) -> None:
        if other.graph is not None:
            other.graph.streams.add(self)
            self.graph = other.graph
            self.after |= other.after
        elif self.graph is not None:
            raise RuntimeError("what is captured waits for what is not")

    def wait_event(self, event: Event) -> None:
        assert self.graph is None


class Event:
    def record(self, stream: Stream | None = None) -> None:
        pass

    def synchronize(self) -> None:
        pass


class Graph:
    """In place of torch.cuda.CUDAGraph."""

    def __init__(self, cuda: Cuda):
        self.cuda, self.nodes, self.streams, self.results = cuda, [], set(), []
        self.shared = id(self)

    def pool(self) -> tuple[int, int]:
        return 0, self.shared

    def capture_begin(self, pool=None, capture_error_mode: str = "global") -> None:
        assert capture_error_mode == "thread_local" and self.cuda.stream is not self.cuda.main
        self.shared = self.shared if pool is None else pool[1]
        self.cuda.pools.setdefault(self.shared, []).append(self)
        self.cuda.stream.graph = self
        self.streams.add(self.cuda.stream)
        self.recorder = Recorder(self)
        self.recorder.__enter__()

    def capture_end(self) -> None:
        self.recorder.__exit__(None, None, None)
        joined = self._before(self.cuda.stream.after)
        for stream in self.streams:
            stream.graph, stream.after = None, set()
        if joined != set(range(len(self.nodes))):
            raise RuntimeError("a stream was not joined")
        self.cuda.launches.append(len(self.nodes))

    def _before(self, after: set[int]) -> set[int]:
        found, left = set(), set(after)
        while left:
            node = left.pop()
            found.add(node)
            left |= self.nodes[node][1] - found
        return found

    def replay(self) -> None:
        self.cuda.replays += 1
        for other in self.cuda.pools[self.shared]:
            for result in other.results if other is not self else ():
                storage = result.untyped_storage()
                ctypes.memset(storage.data_ptr(), POISON, storage.nbytes())
        done, left = set(), list(range(len(self.nodes)))
        while left:
            ready = [node for node in left if self.nodes[node][1] <= done]
            node = self.cuda.random.choice(ready)
            self.nodes[node][0]()
            done.add(node)
            left.remove(node)


class Recorder(TorchDispatchMode):
    """What torch does in a capture becomes launches of the graph."""

    def __init__(self, graph: Graph):
        super().__init__()
        self.graph = graph

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs, schema = kwargs or {}, function._schema
        aliases = [value.alias_info for value in schema.returns if value.alias_info]
        if aliases and not any(alias.is_write for alias in aliases):
            return function(*args, **kwargs)  # a view
        there = tree_map(frozen, (args, kwargs))
        if aliases:  # writes to its first argument, or to `out`
            results = kwargs.get("out", args[0])
            self.graph.cuda.queue(lambda: call(function, there))
            return results
        results = function(*args, **kwargs)  # for its shape: what it holds is overwritten
        self.graph.results += [leaf for leaf in tree_leaves(results) if isinstance(leaf, Tensor)]
        places = tree_map(frozen, results)
        self.graph.cuda.queue(lambda: overwrite(places, call(function, there)))
        return results


def call(function, there):
    args, kwargs = tree_map(raw, there)
    return function(*args, **kwargs)


def overwrite(places, results) -> None:
    for place, result in zip(tree_leaves(places), tree_leaves(results), strict=True):
        if isinstance(place, Frozen):
            raw(place).copy_(result)


class Frozen:
    """What is left of a tensor: an address and a layout."""

    def __init__(self, tensor: Tensor):
        storage = tensor.untyped_storage()
        self.address, self.bytes, self.dtype = storage.data_ptr(), storage.nbytes(), tensor.dtype
        self.layout = tensor.shape, tensor.stride(), tensor.storage_offset()


def frozen(value):
    return Frozen(value) if isinstance(value, Tensor) else value


def raw(value):
    """The tensor at an address, whoever owns it now."""
    if not isinstance(value, Frozen):
        return value
    if value.bytes == 0:
        return torch.zeros(value.layout[0], dtype=value.dtype)
    memory = (ctypes.c_ubyte * value.bytes).from_address(value.address)
    return torch.frombuffer(memory, dtype=value.dtype).as_strided(*value.layout)


class Launchers:
    """The coder's launchers of the host; they are given addresses anyway."""

    def __init__(self, cuda: Cuda, module):
        self.cuda, self.module = cuda, module

    def __getattr__(self, name: str):
        value = getattr(self.module, name)
        if not callable(value):
            return value

        def queued(pointers, stream):
            def work():
                for pointer in pointers:
                    self.cuda.check(pointer)
                value(pointers, stream)

            self.cuda.queue(work)

        return queued


def stand_in(monkeypatch, seed: int = 0) -> Cuda:
    """From now on the CUDA engine and the transforms on the CPU go the way that a GPU goes."""
    from triton.runtime.interpreter import InterpretedFunction

    from mcm_fast.exact.cuda import device, graphs

    cuda, run, launchers = Cuda(seed), InterpretedFunction.run, device.launchers
    empty = torch.empty

    def queued(self, *args, grid, warmup, **kwargs):
        there = [frozen(arg) for arg in args]

        def work():
            for arg in there:
                if isinstance(arg, Frozen):
                    cuda.check(arg.address)
            run(self, *map(raw, there), grid=grid, warmup=warmup, **kwargs)

        cuda.queue(work)

    def any_empty(*shape, **kwargs):
        captures = cuda.stream.graph is not None
        return (empty if captures else cuda.empty)(*shape, **kwargs)

    monkeypatch.setattr(InterpretedFunction, "run", queued)
    monkeypatch.setattr(device, "launchers", lambda _: Launchers(cuda, launchers(_)))
    monkeypatch.setattr(graphs, "has_graphs", lambda _: True)
    monkeypatch.setattr(torch, "empty", any_empty)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: Graph(cuda))
    monkeypatch.setattr(torch.cuda, "Stream", lambda *_, **__: Stream(cuda))
    monkeypatch.setattr(torch.cuda, "Event", lambda *_, **__: Event())
    monkeypatch.setattr(torch.cuda, "stream", cuda.on)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda *_: cuda.stream)
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: False)
    return cuda
