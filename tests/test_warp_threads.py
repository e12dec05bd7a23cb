"""The warp coder's bodies with a thread a warp, under ThreadSanitizer: its barriers are enough.

On the host a block's warps run one after the other, so that a missing barrier shows nowhere.
Here they run at once, and the blocks of a launch in reverse order.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pybind11
import pytest

ROOT = Path(__file__).parents[1]
RACE = 66  # how a process ends that has seen one
TESTS = "decode_one or a_batch or more_than_a_chunk or lanes or round_trip or escapes"


def _library(name: str) -> str | None:
    """Of the compiler."""
    compiler = shutil.which("g++")
    if not compiler:
        return None
    out = subprocess.run([compiler, f"-print-file-name={name}"], capture_output=True, text=True)
    path = out.stdout.strip()
    return path if os.path.isabs(path) else None


def _build(folder: Path, root: Path = ROOT) -> Path:
    library = folder / "warp_threads.so"
    includes = [f"-I{pybind11.get_include()}", f"-I{sysconfig.get_paths()['include']}"]
    command = ["g++", "-O1", "-g", "-std=c++17", "-fPIC", "-shared", "-pthread", *includes]
    command += ["-fsanitize=thread", "-DMCM_WARP_THREADS", "-o", str(library)]
    sources = ["tests/warp_threads.cpp", "csrc/warp/host.cpp", "csrc/warp/tables.cpp"]
    subprocess.run([*command, *sources], cwd=root, check=True)
    return library


def _run(library: Path, tests: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "threaded_warps", "-k", tests]
    command += ["-p", "no:cacheprovider", "tests/test_warp_coder.py", "tests/test_warp_symbols.py"]
    environment = os.environ | {
        "LD_PRELOAD": _library("libtsan.so"),
        "TSAN_OPTIONS": f"exitcode={RACE} halt_on_error=1",
        "WARP_THREADS": str(library),
        "PYTHONPATH": str(ROOT / "tests"),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    options = {"cwd": ROOT, "env": environment, "capture_output": True, "text": True}
    return subprocess.run(command, timeout=900, **options)


@pytest.mark.slow
@pytest.mark.skipif(not _library("libtsan.so"), reason="needs g++ and its libtsan")
def test_no_races(tmp_path):
    run = _run(_build(tmp_path), TESTS)
    assert run.returncode == 0, (run.stdout + run.stderr)[-6000:]
    assert " passed" in run.stdout and "ThreadSanitizer" not in run.stderr


@pytest.mark.slow
@pytest.mark.skipif(not _library("libtsan.so"), reason="needs g++ and its libtsan")
def test_a_race_is_seen(tmp_path):
    """Without the barrier between those who read an image's error and those who add to it."""
    shutil.copytree(ROOT / "csrc", tmp_path / "csrc")
    shutil.copytree(ROOT / "tests", tmp_path / "tests")
    header = tmp_path / "csrc" / "warp" / "image.h"
    text, barrier = header.read_text(), "block.each_warp([](const Warp&) {});"
    assert text.count(barrier) == 1
    header.write_text(text.replace(barrier, ""))
    run = _run(_build(tmp_path, tmp_path), "damage and states")
    assert run.returncode == RACE
