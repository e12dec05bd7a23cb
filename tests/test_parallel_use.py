"""One codec in many hands: threads, forked and spawned children, and a long life."""

import gc
import multiprocessing
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from conftest import noise

import mcm_fast
from mcm_fast import Codec
from mcm_fast.exact.cpu import CpuEngine


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def there_and_back(codec: Codec, seed: int) -> tuple[bytes, torch.Tensor]:
    stream = codec.compress(noise(70 + seed, 90, seed), 5 * seed)
    return stream, codec.decompress(stream)


@pytest.mark.parametrize("threads", [1, 3])
def test_eight_threads_on_one_codec(codec, threads):
    shared = codec.with_limits()
    shared.engine = CpuEngine(codec.integers, threads)
    alone = [there_and_back(codec, seed) for seed in range(8)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda i: there_and_back(shared, i % 8), range(32)))
    for i, (stream, image) in enumerate(found):
        assert stream == alone[i % 8][0]
        assert (image.int() - alone[i % 8][1].int()).abs().max() <= 1


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_batches_whatever_the_threads(codec, threads):
    """More images than threads, fewer, and one."""
    engine = CpuEngine(codec.integers, threads)
    latents = [codec.analysis(noise(40, 30 + 10 * seed, seed), 50) for seed in range(5)]
    items = [(one.y, one.z, one.quality_steps) for one in latents]
    for count in (0, 1, 2, 5):
        coded = engine.encode(items[:count])
        alone = [codec.engine.encode([item])[0] for item in items[:count]]
        assert [c.segments for c, _ in coded] == [c.segments for c, _ in alone]
        streams = [
            (c, *y.shape[1:], quality)
            for (c, _), (y, _, quality) in zip(coded, items[:count], strict=True)
        ]
        for (y, z, _), item in zip(engine.decode(streams), items[:count], strict=True):
            assert torch.equal(y, item[0]) and torch.equal(z, item[1])


def child(queue, codec: Codec | None) -> None:
    codec = codec or Codec.untrained("tiny", seed=0)
    queue.put([there_and_back(codec, seed)[0] for seed in range(3)])


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_children(codec, method, two_threads):
    """A fork after torch has computed with several threads; a child that begins afresh."""
    expected = [there_and_back(codec, seed)[0] for seed in range(3)]
    codec.analysis(noise(400, 600))  # a parallel region
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    process = context.Process(target=child, args=(queue, codec if method == "fork" else None))
    process.start()
    try:
        assert queue.get(timeout=120) == expected
    finally:
        process.kill()
        process.join()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_does_not_grow(codec):
    """Images of a few sizes, good and damaged streams, errors and batches, again and again."""

    def round_trips(count: int) -> None:
        for i in range(count):
            stream = codec.compress(noise(100 + i % 7, 200, i % 7), i % 101)
            codec.decompress_many([stream, stream[:-1], b""], on_error="return")
        gc.collect()

    round_trips(40)
    before = resident()
    round_trips(120)
    assert resident() - before < 20 * 2**20


def resident() -> int:
    with open("/proc/self/statm") as file:
        return 4096 * int(file.read().split()[1])


class Streams(torch.utils.data.Dataset):
    """What a user's data set does: it holds a codec of the parent's, and decodes with it."""

    def __init__(self, codec: Codec, streams: list[bytes]):
        self.codec, self.streams = codec, streams

    def __len__(self) -> int:
        return len(self.streams)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.codec.decompress(self.streams[index])


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_of_a_data_loader(method):
    codec = mcm_fast.load("small")
    streams = [codec.compress(noise(48, 64, seed), 5 * seed) for seed in range(16)]
    expected = [codec.decompress(stream) for stream in streams]
    loader = torch.utils.data.DataLoader(
        Streams(codec, streams),
        batch_size=None,
        num_workers=2,
        multiprocessing_context=method,
        timeout=120,
    )
    images = list(loader)
    assert len(images) == 16
    assert all(torch.equal(a, b) for a, b in zip(images, expected, strict=True))
