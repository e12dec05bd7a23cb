"""The long runs (`make soak`): every flip of a stream, many images, many threads, a large image.

What they measured is in docs/robustness.md; `-s` shows it.
"""

from __future__ import annotations

import gc
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import noise
from hostile import resealed
from test_parallel_use import resident, there_and_back

import mcm_fast
from mcm_fast import BitstreamError, Codec, container, installed
from mcm_fast.exact.cpu import CpuEngine

pytestmark = pytest.mark.soak
SIZE = 2048  # bytes of the stream that is damaged
SLOWEST = 10  # times a good decode


@pytest.fixture(scope="module")
def alone() -> Codec:
    """With one thread, whose processor time says how long a decode takes on a busy machine too."""
    codec = mcm_fast.load("small")
    codec.engine = CpuEngine(codec.integers, 1)
    return codec


@pytest.fixture(scope="module")
def stream(alone) -> bytes:
    """2 KB: coded latents, and a chunk of as many bytes as are missing."""
    image = noise(64, 72)
    lengths = {quality: len(alone.compress(image, quality)) for quality in range(100)}
    quality = max(lengths, key=lambda q: lengths[q] * (lengths[q] <= SIZE - 6))
    spare = SIZE - 6 - lengths[quality]  # the number of chunks, a type and a length take six
    found = alone.compress(image, quality, chunks={"prVt": bytes(spare)})
    assert len(found) == SIZE and spare < SIZE // 10
    return found


def flips(stream: bytes) -> Iterator[bytes]:
    for bit in range(8 * len(stream)):
        flipped = bytearray(stream)
        flipped[bit // 8] ^= 1 << bit % 8
        yield bytes(flipped)


def seconds(decode: Callable, stream: bytes) -> tuple[float, object]:
    """Of this thread's processor time, and what came of it."""
    start = time.thread_time()
    try:
        found = decode(stream)
    except BitstreamError as error:
        found = error
    return time.thread_time() - start, found


class Watch:
    """Decodes, and remembers the slowest, in times of a good decode."""

    def __init__(self, codec: Codec, good: bytes):
        self.codec = codec
        self.good = statistics.median(seconds(codec.decode, good)[0] for _ in range(50))
        self.slowest = 0.0

    def decode(self, stream: bytes) -> object:
        """More than once if it is slow: the machine may have done something else."""
        times = []
        while not times or min(times) > 3 * self.good and len(times) < 5:
            taken, found = seconds(self.codec.decode, stream)
            times.append(taken)
        self.slowest = max(self.slowest, min(times) / self.good)
        return found


def test_every_flip_and_truncation(alone, stream):
    watch = Watch(alone, stream)
    damaged = [*flips(stream), *(stream[:n] for n in range(len(stream)))]
    assert len(damaged) == 8 * SIZE + SIZE
    assert all(isinstance(watch.decode(one), BitstreamError) for one in damaged)
    print(f"\n{len(damaged)} damaged streams refused; slowest {watch.slowest:.2f} good decodes")
    assert watch.slowest < SLOWEST


def test_every_flip_behind_a_good_checksum(alone, stream):
    watch, images = Watch(alone, stream), 0
    header = container.read_header(stream)
    for flipped in flips(stream):
        found = watch.decode(resealed(flipped, header))
        if isinstance(found, BitstreamError):
            continue
        images += 1
        assert alone.synthesis(found).shape == (1 if found.gray else 3, found.height, found.width)
    print(f"\n{images} flips gave an image; slowest {watch.slowest:.2f} good decodes")
    assert watch.slowest < SLOWEST


def test_a_thousand_images():
    codec = mcm_fast.load("small")

    def round_trips(first: int, last: int) -> None:
        for i in range(first, last):
            image = noise(64 + i % 61, 80 + i % 53, i)
            found = codec.decompress(codec.compress(image, i % 101))
            assert found.shape == image.shape
        gc.collect()

    round_trips(0, 150)
    before = resident()
    round_trips(150, 1150)
    grown = (resident() - before) / 2**20
    print(f"\n{before / 2**20:.0f} MB after 150 images, {grown:+.1f} MB after 1000 more")
    assert grown < 16


def test_eight_threads_for_long(codec):
    shared = codec.with_limits()
    shared.engine = CpuEngine(codec.integers, 2)
    expected = [there_and_back(codec, seed) for seed in range(16)]

    def work(worker: int) -> int:
        for i in range(worker, worker + 200):
            stream, image = there_and_back(shared, i % 16)
            assert stream == expected[i % 16][0]
            assert (image.int() - expected[i % 16][1].int()).abs().max() <= 1
        return 200

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(work, range(8))) == 1600


LARGE = """
import json, resource, time
import torch, mcm_fast

codec = mcm_fast.load("small")
rows, columns = torch.arange(8632)[:, None], torch.arange(11585)
image = torch.stack([rows * columns // d % 251 for d in (4096, 9000, 20000)]).to(torch.uint8)
times = [time.time()]
stream = codec.compress(image)
times.append(time.time())
found = codec.decompress(stream)
times.append(time.time())
error = (found[:, ::7, ::7].float() - image[:, ::7, ::7].float()).square().mean().item()
print(json.dumps({
    "compress": round(times[1] - times[0], 1),
    "decompress": round(times[2] - times[1], 1),
    "bytes": len(stream),
    "error": round(error, 2),
    "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
}))
"""


EMPTY = """
import resource, sys
import numpy as np
import mcm_fast
from mcm_fast import BitstreamError, container
from mcm_fast.exact.engine import Coded

codec = mcm_fast.load("small")
none = np.zeros(0, np.int64)
coded = Coded(1, 1, none, none.astype(np.int16), [bytes(2**13)])
size = int(sys.argv[1]), int(sys.argv[2])
stream = container.Stream(codec.integers.id, 5000, *size, False, [coded])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    codec.decompress(container.pack(stream))
except BitstreamError:
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.parametrize("size", [(2**14, 2**14), (2**24, 16), (16, 2**24)], ids=str)
def test_large_pictures_without_latents(size):
    """As large as the limit and 8 KB allow, and refused for little memory."""
    command = [sys.executable, "-c", EMPTY, *map(str, size)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout, done.stderr
    print(f"\n{size}: {done.stdout.strip()} MB")
    assert int(done.stdout) < 512


def available() -> int:
    """Bytes of memory that a new process can have."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_hundred_megapixels():
    """In a process of its own, whose peak is then the image's."""
    if available() < 16 * 2**30:
        pytest.skip(f"only {available() / 2**30:.0f} GB of memory are free, not 16")
    done = subprocess.run([sys.executable, "-c", LARGE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    print(f"\n11585x8632: {found}")
    assert found["peak"] < 16 * 1024 and found["error"] < 200


ROWS = """
import sys
sys.modules["torch"] = None
import mcm_fast

small = mcm_fast.imread(sys.argv[1], box=(0, 0, 640, 480))
image = mcm_fast.imread(sys.argv[1])
assert (image[:480, :640] == small).all()
lines = open("/proc/self/status").read().splitlines()  # getrusage counts the parent's peak, too
peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
print((1024 * peak - image.nbytes) // 2**20)
"""


def test_a_hundred_megapixels_by_rows_of_tiles(tmp_path):
    """As a photograph's detail fills it: Kodak's or scikit-image's, side by side."""
    if not installed.has_decoder("small"):
        pytest.skip("the decoder's file of small is not here")
    data = pytest.importorskip("skimage.data")
    names = "astronaut", "coffee", "chelsea", "rocket"
    pieces = [getattr(data, name)()[:256, :384] for name in names]
    rows = [np.concatenate([pieces[(3 * r + c) % 4] for c in range(32)], 1) for r in range(32)]
    image = torch.from_numpy(np.concatenate(rows)).permute(2, 0, 1)
    path = tmp_path / "large.mcm"
    path.write_bytes(mcm_fast.compress(image, 50))
    done = subprocess.run([sys.executable, "-c", ROWS, path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    print(f"\n{image.shape[2]}x{image.shape[1]}: {done.stdout.strip()} MB above the image")
    assert int(done.stdout) <= 500
