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
from conftest import noise
from pixel_lists import tiny_rendering

import mcm_fast
from mcm_fast import Codec, PixelDecoder, installed, model_file

ROUNDS = [10, pytest.param(200, marks=pytest.mark.slow)]
PATIENCE = 20  # seconds until a child is said to hang


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model's file, with its decoder's beside it."""
    path = tmp_path_factory.mktemp("models") / "tiny.safetensors"
    network, _, _ = tiny_rendering(path.with_name("tiny.decoder.safetensors"))
    model_file.save(network, path)
    return path


# A team of threads paints the large one; after the small one the float synthesis hangs most.
SIZES = (384, 576), (128, 192)


@pytest.fixture(scope="module", params=SIZES, ids=["large", "small"])
def picture(request) -> torch.Tensor:
    return noise(*request.param)


@pytest.fixture(scope="module", params=["PixelDecoder", "Codec"])
def draw(model, picture, request) -> Callable[[], np.ndarray]:
    """Decodes a stream and draws it, in integers: nothing of torch runs."""
    codec = Codec.from_file(model, threads=2)
    stream = codec.compress(picture, 61)
    if request.param == "Codec":
        return lambda: codec.decompress(stream, exact=True).numpy()
    decoder = PixelDecoder(model.with_name("tiny.decoder.safetensors"), threads=2)
    return lambda: decoder.decompress(stream)


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
