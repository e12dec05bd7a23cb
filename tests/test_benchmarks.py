"""`make bench` takes minutes and is run by hand; that all of it is found takes seconds."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_all_are_collected():
    """No benchmark asks for a name that has gone."""
    options = ["-o", "python_files=bench_*.py", "-o", "python_functions=bench_* test_*"]
    command = [sys.executable, "-m", "pytest", "benchmarks", "--collect-only", "-q", *options]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-2000:]
    found = {line.split("::")[0] for line in run.stdout.splitlines() if "::" in line}
    assert found == {f"benchmarks/{path.name}" for path in (ROOT / "benchmarks").glob("bench_*.py")}
