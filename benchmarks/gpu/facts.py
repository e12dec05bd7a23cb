"""What machine this is, a row of facts at a time. Nothing here needs the package."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys

from rows import say

CLOCKS = "clocks.sm,clocks.mem,power.draw,temperature.gpu"
PACKAGES = "torch", "triton", "numpy", "pybind11", "pytest", "pytest-timeout", "hypothesis"
TOOLS = "nvcc", "nvidia-smi", "compute-sanitizer", "ncu", "cuobjdump", "g++"


def main() -> None:
    say(python=platform.python_version(), cpus=os.cpu_count(), executable=sys.executable)
    say(**{name: _version(name) for name in PACKAGES})
    say(**{name: shutil.which(name) or "not on PATH" for name in TOOLS})
    say(gpu=device_name(), clocks=clocks())


def device_name() -> str | None:
    """Of the first GPU, without waiting for torch."""
    return _smi("name")


def clocks() -> str | None:
    """SM, memory (MHz), power (W), temperature (C), as nvidia-smi prints them."""
    return _smi(CLOCKS)


def architecture() -> str:
    """Of its machine code, as nvcc calls it."""
    return "sm_" + (_smi("compute_cap") or "9.0").replace(".", "")


def _smi(what: str) -> str | None:
    command = ["nvidia-smi", f"--query-gpu={what}", "--format=csv,noheader"]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return run.stdout.splitlines()[0].strip() if run.returncode == 0 and run.stdout else None


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


if __name__ == "__main__":
    main()
