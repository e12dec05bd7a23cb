"""`make gpu-check` without a GPU: it says so; and its dry run goes all the way."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[1]
NO_GPU = pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")


def check(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, str(ROOT / "benchmarks" / "gpu" / "check.py"), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@NO_GPU
def test_it_needs_a_gpu(tmp_path):
    run = check("--out", str(tmp_path))
    assert run.returncode != 0 and "needs an NVIDIA GPU" in run.stderr
    assert not list(tmp_path.iterdir())


@NO_GPU
def test_dry_run(tmp_path):
    run = check("--dry-run", "--out", str(tmp_path), "--steps", "build", "tests", "exchange")
    assert run.returncode == 0, run.stdout + run.stderr
    (path,) = tmp_path.glob("*.json")
    assert json.loads(path.read_text())["exchange"]["streams"] == 4
    assert "no measurements" in path.with_suffix(".md").read_text()


@NO_GPU
@pytest.mark.slow
def test_dry_run_of_the_benchmarks(tmp_path):
    run = check("--dry-run", "--out", str(tmp_path), "--steps", "speed")
    assert run.returncode == 0, run.stdout + run.stderr
    speed = json.loads((tmp_path / "gpu-cpu.json").read_text())["speed"]
    assert "unfinished" not in speed
    assert all(speed[name] for name in ("entropy", "batches", "road", "coder"))


def test_a_missing_test_file_fails(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks" / "gpu"))
    import check as gpu_check

    monkeypatch.setattr(gpu_check, "TESTS", (*gpu_check.TESTS, "nothing"))
    with pytest.raises(gpu_check.Failed, match=r"test_nothing\.py"):
        gpu_check.tests(gpu_check.parsed(["--dry-run"]))


def test_what_runs_on_a_gpu():
    """By a marker, not by name: this engine's own tests, and those of all engines."""
    files = [ROOT / "tests" / f"test_{name}.py" for name in ("symbols", "properties", "gdn")]
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-m", "gpu", *files]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    for name in ("test_devices_exchange", "test_any_splice_is", "test_equals_its_twin"):
        assert name in run.stdout, run.stdout + run.stderr
    assert "test_round_trip[cuda" in run.stdout and "test_round_trip[cpu" not in run.stdout
    assert "test_any_bytes" not in run.stdout
