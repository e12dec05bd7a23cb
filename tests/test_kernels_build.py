"""All Triton kernels compiled ahead of time for both machines: nothing in local memory. And just in
time, for a driver that does nothing: one variant of each, whatever the images."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("triton")

SCRIPT = Path(__file__).with_name("kernel_builds.py")
OLDEST = "triton==3.6.0"
MACHINES, PRESETS = (80, 90), ("small", "base")
COUNTS = {"small": 7 + 2 * 3, "base": 7 + 2 * 4}  # of the entropy model; GDNs, two for each width


def compiling(path: Path | None = None) -> dict[str, str]:
    """Settings of a process that compiles kernels; `path`: where another Triton lies."""
    other = "TRITON_INTERPRET", "MCM_FAST_PDL"
    environment = {name: value for name, value in os.environ.items() if name not in other}
    environment |= {"TRITON_DEFAULT_FP_FUSION": "1", "OMP_NUM_THREADS": "1"}
    return environment | ({} if path is None else {"PYTHONPATH": str(path)})


@pytest.fixture(scope="module")
def builds() -> dict[int, subprocess.Popen]:
    """A process for each machine, both at once."""
    environment = compiling()
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


def assert_one_variant(environment: dict[str, str], dependent: tuple[str, ...] = ()) -> None:
    command = [sys.executable, SCRIPT.with_name("compiled_variants.py"), "tiny"]
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout.splitlines()[-1])
    assert found["variants"].pop("hyper_layer") == 3  # its layers
    assert set(found["variants"].values()) == {1}, found
    assert found["launches"]["context_step"] > 1000
    assert found["dependent"] == list(dependent)


def test_one_variant_for_all_images():
    assert_one_variant(compiling())


def test_dependent_launches():
    """With the switch on the context step is launched so, and it alone."""
    assert_one_variant(compiling() | {"MCM_FAST_PDL": "1"}, ("context_step",))


@pytest.fixture(scope="module")
def oldest(tmp_path_factory) -> Path:
    """The oldest Triton that is supported, unpacked."""
    folder = tmp_path_factory.mktemp("triton")
    pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:"]
    run = subprocess.run([*pip, "-d", folder, OLDEST], capture_output=True, text=True)
    if run.returncode:
        pytest.skip(f"pip cannot fetch {OLDEST}: {run.stderr[-200:]}")
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extractall(folder / "site")
    for name in ("bin", "lib"):  # zipfile forgets that programs may be run
        for path in (folder / "site").rglob(f"nvidia/{name}/*"):
            path.chmod(0o755)
    return folder / "site"


@pytest.mark.slow
def test_the_oldest_triton(oldest):
    """What a GPU with an older torch has: one variant, and nothing in local memory."""
    assert_one_variant(compiling(oldest))
    assert_one_variant(compiling(oldest) | {"MCM_FAST_PDL": "1"}, ("context_step",))
    command = [sys.executable, SCRIPT, "90", *PRESETS]
    run = subprocess.run(command, env=compiling(oldest), capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    for name, found in json.loads(run.stdout):
        assert found["REG"] and found["STACK"] == found["LOCAL"] == 0, (name, found)
