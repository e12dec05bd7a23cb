"""Children made by fork, after threads that have ended and beside threads that run."""

import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from pixel_lists import tiny_rendering

import mcm_fast
from mcm_fast import installed
from mcm_fast.exact.engines import make_engine
from mcm_fast.exact.pixels.decoder import CodedArrays, PixelDecoder
from mcm_fast.exact.quantize import export

ROUNDS = [10, pytest.param(200, marks=pytest.mark.slow)]
PATIENCE = 20  # seconds until a child is said to hang
SIZE, QUALITY = (24, 36), 6100


@pytest.fixture(scope="module")
def draw(tmp_path_factory) -> Callable[[], np.ndarray]:
    """Decodes a stream and draws it, in integers: nothing of torch runs."""
    path = tmp_path_factory.mktemp("decoder") / "tiny.decoder.safetensors"
    network, _, _ = tiny_rendering(path)
    integers, generator = export(network), torch.Generator().manual_seed(3)
    sizes = (integers.y_channels, *SIZE), (integers.z_channels, *(side // 4 for side in SIZE))
    y, z = ((3 * torch.randn(s, generator=generator)).round().to(torch.int16) for s in sizes)
    [(coded, _)] = make_engine(integers, None, torch.device("cpu")).encode([(y, z, QUALITY)])
    exceptions = coded.exception_indexes.numpy(), coded.exception_differences.numpy()
    arrays = CodedArrays(coded.lanes, coded.groups, *exceptions, coded.segments)
    decoder = PixelDecoder(path, threads=2)

    def draw() -> np.ndarray:
        latents = decoder.latents(arrays, *SIZE, QUALITY)
        return decoder.draw(latents, 16 * SIZE[1], 16 * SIZE[0], QUALITY, False)

    return draw


def in_a_child(job: Callable[[], bool]) -> None:
    """The job is done, in a child made by fork, before patience ends."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if job() else 2
        finally:
            os._exit(status)
    end = time.monotonic() + PATIENCE
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        if time.monotonic() > end:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            pytest.fail("the child hangs")
        time.sleep(0.002)
    assert os.waitstatus_to_exitcode(status) == 0


@pytest.mark.parametrize("rounds", ROUNDS)
def test_after_a_pool_of_threads(draw, rounds):
    """The float synthesis hangs here: docs/embedding.md."""
    expected = draw()
    for _ in range(rounds):
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: draw(), range(16)))
        in_a_child(lambda: np.array_equal(draw(), expected))


@pytest.mark.parametrize("rounds", ROUNDS)
def test_beside_threads_that_decode(draw, rounds):
    expected, stop = draw(), threading.Event()

    def work() -> None:
        while not stop.is_set():
            draw()

    with ThreadPoolExecutor(4) as pool:
        for _ in range(4):
            pool.submit(work)
        try:
            for _ in range(rounds):
                in_a_child(lambda: np.array_equal(draw(), expected))
        finally:
            stop.set()


def test_beside_a_thread_that_loads(monkeypatch):
    """The lock around loading is free in the child: the fork waits for it."""
    begun, real = threading.Event(), installed._load

    def slow(*arguments):
        begun.set()
        time.sleep(0.3)
        return real(*arguments)

    monkeypatch.setattr(installed, "_load", slow)
    thread = threading.Thread(target=mcm_fast.load)
    thread.start()
    begun.wait()
    in_a_child(lambda: mcm_fast.load().max_pixels > 0)
    thread.join()
