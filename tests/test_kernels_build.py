"""All Triton kernels compiled ahead of time for both machines: nothing in local memory."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton")

SCRIPT = Path(__file__).with_name("kernel_builds.py")
MACHINES, PRESETS = (80, 90), ("small", "base")
COUNTS = {"small": 7 + 2 * 3, "base": 7 + 2 * 4}  # of the entropy model; GDNs, two for each width


@pytest.fixture(scope="module")
def builds() -> dict[int, subprocess.Popen]:
    """A process for each machine, both at once."""
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    environment |= {"TRITON_DEFAULT_FP_FUSION": "1", "OMP_NUM_THREADS": "1"}
    commands = {machine: [sys.executable, SCRIPT, str(machine), *PRESETS] for machine in MACHINES}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    started = {m: subprocess.Popen(c, env=environment, **pipes) for m, c in commands.items()}
    yield started
    for process in started.values():
        process.kill()
        process.wait()


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: f"sm_{machine}")
def test_no_local_memory(builds, machine):
    out, errors = builds[machine].communicate()
    assert builds[machine].returncode == 0, errors
    kernels = json.loads(out)
    for preset, count in COUNTS.items():
        assert sum(name.startswith(preset) for name, _ in kernels) == count
    for name, found in kernels:
        assert found["REG"] and found["STACK"] == found["LOCAL"] == 0, (name, found)
