"""The CUDA coder compiled ahead of time for both machines: nothing in local memory."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NVCC = os.environ.get("NVCC") or shutil.which("nvcc")
pytestmark = pytest.mark.skipif(not NVCC, reason="needs nvcc, on PATH or named in NVCC")


def resources(machine: str, folder: Path) -> list[tuple[str, dict[str, int]]]:
    """What ptxas says of each kernel."""
    flags = ["-cubin", f"-arch={machine}", "-O3", "-std=c++17", "--expt-relaxed-constexpr"]
    flags += ["--Werror=all-warnings", "--resource-usage", "-o", str(folder / machine)]
    run = subprocess.run(
        [NVCC, *flags, str(ROOT / "csrc/cuda/warp.cu")], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    kernels = []
    for part in (run.stdout + run.stderr).split("Compiling entry function")[1:]:
        stack, stores, loads = re.search(
            r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", part
        ).groups()
        found = {"stack": int(stack), "spills": int(stores) + int(loads)}
        found["registers"] = int(re.search(r"Used (\d+) registers", part)[1])
        kernels.append((part.split("'")[1], found))
    return kernels


@pytest.mark.parametrize("machine", ["sm_80", "sm_90"])
def test_no_local_memory(machine, tmp_path):
    kernels = resources(machine, tmp_path)
    source = (ROOT / "csrc/cuda/warp.cu").read_text()
    for name in re.findall(r"(\w+_kernel)\(const", source):
        assert any(name in mangled for mangled, _ in kernels), name
    for mangled, found in kernels:
        assert found["stack"] == found["spills"] == 0, (mangled, found)
        if "decode_step" in mangled:  # a block of 1024 threads
            assert found["registers"] <= 64


@pytest.mark.slow
def test_built_and_imported_without_a_gpu(tmp_path):
    """MCM_FAST_CUDA=1 builds; what it built needs no CUDA library to be imported."""
    build = [sys.executable, "setup.py", "-q", "build_ext", "-b", tmp_path, "-t", tmp_path / "o"]
    environment = {**os.environ, "MCM_FAST_CUDA": "1"}
    subprocess.run(build, cwd=ROOT, env=environment, check=True)
    (library,) = tmp_path.glob("mcm_fast/_CUDA*.so")
    linked = subprocess.run(["ldd", library], capture_output=True, text=True, check=True).stdout
    assert "cuda" not in linked.replace(str(library), "")
    code = (
        "import importlib.util as u, sys\n"
        "spec = u.spec_from_file_location('_CUDA', sys.argv[1])\n"
        "module = u.module_from_spec(spec)\n"
        "spec.loader.exec_module(module)\n"
        "try:\n    module.begin([1] + [0] * (len(module.DECODING) - 1), 0)\n"
        "except RuntimeError as error:\n    print(error)\n"
    )
    hidden = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
    run = subprocess.run(
        [sys.executable, "-c", code, library],
        capture_output=True,
        text=True,
        env=hidden,
        check=True,
    )
    assert run.stdout.startswith("begin: ")  # the launch was refused, and said so


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"MCM_FAST_CUDA": "yes"}, "must be 0, 1 or unset"),
        ({"MCM_FAST_CUDA": "1", "NVCC": "", "PATH": ""}, "there is no nvcc"),
    ],
)
def test_refused_settings(settings, message):
    run = subprocess.run(
        [sys.executable, "setup.py", "--version"],
        cwd=ROOT,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
    )
    assert run.returncode != 0 and message in run.stderr
