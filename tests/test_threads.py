"""Threads of a codec's calls: as many as were asked for, and the caller's own stay as they are."""

import os
import subprocess
import sys
import threading

import pytest
import torch
from conftest import noise

import mcm_fast
from mcm_fast import Codec
from mcm_fast.exact.cpu import CpuEngine
from mcm_fast.threads import current, of_call


@pytest.fixture(autouse=True)
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


class Witness(CpuEngine):
    """Tells how many threads there are in a call: torch's, C++'s, and torch's in a new thread."""

    seen: tuple[int, int, int]

    def decode(self, items):
        new = []
        thread = threading.Thread(target=lambda: new.append(torch.get_num_threads()))
        thread.start()
        thread.join()
        self.seen = torch.get_num_threads(), self.threads, *new
        return super().decode(items)


def seen_by(codec: Codec, stream: bytes) -> tuple[int, int, int]:
    codec.engine = Witness(codec.integers)
    codec.decompress(stream)
    return codec.engine.seen


@pytest.mark.parametrize(("threads", "expected"), [(None, 2), (1, 1), (2, 2), (3, 3)])
def test_a_call_has_its_own(codec, threads, expected):
    mine = codec.with_limits(threads=threads)
    assert seen_by(mine, codec.compress(noise(20, 20))) == (expected, expected, 2)
    assert torch.get_num_threads() == current() == 2


def test_the_default_is_torchs_when_called(codec):
    mine, stream = codec.with_limits(), codec.compress(noise(20, 20))
    torch.set_num_threads(1)
    assert seen_by(mine, stream) == (1, 1, 1)


def test_every_way_to_a_codec_takes_them(codec, tmp_path):
    path = tmp_path / "model.safetensors"
    mcm_fast.model_file.save(codec.network, path)
    made = [mcm_fast.load(threads=1), mcm_fast.load(path, threads=1)]
    made += [Codec.from_file(path, threads=1), Codec.untrained("tiny", threads=1)]
    assert [each.threads for each in made] == [1] * 4
    assert mcm_fast.load().threads is None
    for wrong in (0, -1, 1.5, "two"):
        with pytest.raises(ValueError, match="threads is a positive whole number"):
            mcm_fast.load(threads=wrong)


def test_after_an_error(codec):
    with pytest.raises(mcm_fast.BitstreamError):
        codec.with_limits(threads=1).decompress(b"MCM")
    assert torch.get_num_threads() == current() == 2


def test_no_part_of_torch_starts_more():
    """Not OpenMP, not oneDNN, not MKL, although the caller has asked torch for two."""
    script = """
import os, torch
from mcm_fast.threads import of_call
def compute():
    x, y = torch.rand(600, 600), torch.rand(1, 32, 200, 200)
    return x @ x, torch.conv2d(y, torch.rand(32, 32, 3, 3)), torch.exp(y)
torch.set_num_threads(2)
before = len(os.listdir("/proc/self/task"))
with of_call(1):
    compute()
assert len(os.listdir("/proc/self/task")) == before
compute()
assert len(os.listdir("/proc/self/task")) > before
"""
    subprocess.run([sys.executable, "-c", script], check=True)


class Numbers(torch.utils.data.Dataset):
    def __init__(self, codec: Codec, stream: bytes):
        self.codec, self.stream = codec, stream

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> tuple[int, int]:
        torch.set_num_threads(2)  # as a data set may, whose own work is worth it
        return seen_by(self.codec, self.stream)[:2]


@pytest.mark.parametrize(("threads", "expected"), [(None, (1, 1)), (2, (1, 2))])
def test_a_loaders_worker_has_one(codec, threads, expected):
    """And where two were asked for, torch still has one: the worker is a child made by fork."""
    data = Numbers(codec.with_limits(threads=threads), codec.compress(noise(20, 20)))
    loader = torch.utils.data.DataLoader(
        data, batch_size=None, num_workers=1, multiprocessing_context="fork", timeout=60
    )
    assert [tuple(each) for each in loader] == [expected] * 2


def test_a_forked_child_keeps_torchs_number(codec):
    """It was one in every child of a process that had loaded a codec."""
    stream = codec.compress(noise(20, 20))
    torch.rand(1000, 1000).exp()  # a parallel region, whose helpers the child does not have
    child = os.fork()
    if child == 0:
        before = torch.get_num_threads()
        seen = seen_by(codec.with_limits(), stream)
        os._exit(int((before, *seen[:2], torch.get_num_threads()) != (2, 1, 2, 2)))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_nested_calls(codec):
    with of_call(3):
        with of_call(None):
            assert current() == torch.get_num_threads() == 3
        with of_call(1):
            assert current() == torch.get_num_threads() == 1
        assert current() == torch.get_num_threads() == 3
    assert current() == torch.get_num_threads() == 2
