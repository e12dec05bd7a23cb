"""All that a GPU can prove and measure, in one call: `make gpu-check`. Offline, in some minutes.

    build       the package with the CUDA coder, into build/gpu-check
    tests       every parity test, natively on the device
    exchange    streams from the CPU to the GPU and back, on real images (exchange.py)
    sanitizer   compute-sanitizer over the engine's kernels, where it is on PATH
    speed       the benchmarks (speed.py), alone, when all else is done

The results are written as JSON and as tables (report.py), named after the device. With --dry-run
the same programs run on the CPU, interpreted and with a tiny model, to be tested themselves: what
they write are no measurements.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from report import markdown, name_of

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
WORK = ROOT / "build" / "gpu-check"
SITE = WORK / "site"
TESTS = "kernels", "gdn", "half_precision", "cuda_engine", "engines", "symbols", "properties"
TESTS += ("format_compatibility",)
ON_GPU = "cuda or kernels or gdn or half_precision"  # of the tests for all engines, this one's
SECONDS = {"build": 120, "tests": 200, "exchange": 200, "sanitizer": 90, "speed": 150}  # at most


class Failed(Exception):
    """A step did not do what it should."""


def main() -> None:
    arguments = parsed(sys.argv[1:])
    if not arguments.dry_run:
        need_gpu()
    check = Check(arguments)
    if check.run(["build"]):
        check.run(["tests", "exchange", "sanitizer"])
        check.run(["speed"])
    if check.failed:
        raise SystemExit(f"gpu-check failed: {', '.join(check.failed)}")


def parsed(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dry-run", action="store_true", help="on the CPU, to test the check")
    parser.add_argument("--images", type=Path, help="a folder of PNG files to exchange")
    parser.add_argument("--out", type=Path, help="where to write; default: benchmarks/results")
    parser.add_argument("--steps", nargs="*", choices=STEPS, default=[*STEPS], help="only these")
    arguments = parser.parse_args(words)
    default = WORK / "dry-run" if arguments.dry_run else ROOT / "benchmarks" / "results"
    arguments.out = arguments.out or default
    return arguments


def need_gpu() -> None:
    try:
        import torch
    except ImportError as error:
        raise SystemExit(f"gpu-check needs PyTorch: {error}") from error
    if not torch.cuda.is_available():
        raise SystemExit("gpu-check needs an NVIDIA GPU, and torch sees none (try --dry-run)")


class Check:
    """Runs steps, some at once, and writes what is known after each."""

    def __init__(self, arguments: argparse.Namespace):
        self.arguments, self.failed = arguments, []
        self.results = {"dry_run": arguments.dry_run, "seconds": {}}

    def run(self, names: list[str]) -> bool:
        """Did all go well?"""
        names = [name for name in names if name in self.arguments.steps]
        with ThreadPoolExecutor(len(names) or 1) as pool:
            list(pool.map(self._step, names))
        self._write()
        return not set(self.failed) & set(names)

    def _step(self, name: str) -> None:
        start = time.monotonic()
        try:
            self.results[name] = STEPS[name](self.arguments)
        except (Failed, TimeoutError) as error:
            late = f"not finished in {SECONDS[name]} s\n" * isinstance(error, TimeoutError)
            self.results[name] = f"FAILED: {late}{error}"
            self.failed.append(name)
            print(f"gpu-check: {name} failed: {late}{error}", flush=True)
        seconds = self.results["seconds"][name] = round(time.monotonic() - start, 1)
        print(f"gpu-check: {name}: {seconds} s", flush=True)

    def _write(self) -> None:
        folder = self.arguments.out
        folder.mkdir(parents=True, exist_ok=True)
        name = name_of(self.results)
        (folder / f"{name}.json").write_text(json.dumps(self.results, indent=1) + "\n")
        (folder / f"{name}.md").write_text(markdown(self.results))


def build(arguments: argparse.Namespace) -> str:
    if arguments.dry_run:
        return "the package as it is"
    setup = [sys.executable, "setup.py", "-q", "build", "-b", str(WORK), "--build-lib", str(SITE)]
    ran(setup, ROOT, "build", {"MCM_FAST_CUDA": "1"})
    return "ok"


def tests(arguments: argparse.Namespace) -> str:
    paths = [ROOT / "tests" / f"test_{name}.py" for name in TESTS]
    missing = [path.name for path in paths if not path.exists()]
    if missing:
        raise Failed(f"no test is called {', '.join(missing)}")
    if arguments.dry_run:
        return f"not run: {len(paths)} files"
    pytest = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", ON_GPU]
    pytest += ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT), *map(str, paths)]
    return ran(pytest, SITE, "tests").strip().splitlines()[-1]


def sanitizer(arguments: argparse.Namespace) -> str:
    """Slow: what it has no time for it says."""
    checker = shutil.which("compute-sanitizer")
    if arguments.dry_run or not checker:
        return "not run: compute-sanitizer is not on PATH"
    outcomes, coder = [], ["mcm"]
    for tool, kernels in (("memcheck", [*coder, "context_", "hyper_"]), ("racecheck", coder)):
        command = [checker, "--tool", tool, "--error-exitcode", "9", "--report-api-errors", "no"]
        for kernel in kernels:
            command += ["--kernel-name", f"kns={kernel}"]
        program = [sys.executable, str(HERE / "exchange.py"), "--few"]
        try:
            ran([*command, *program], SITE, "sanitizer")
            outcomes.append(f"{tool} ok")
        except TimeoutError:
            outcomes.append(f"{tool} not finished in {SECONDS['sanitizer']} s")
    return ", ".join(outcomes)


def program(name: str) -> Callable[[argparse.Namespace], dict]:
    """A step that runs one of the programs beside this one. It prints JSON, more and more."""

    def step(arguments: argparse.Namespace) -> dict:
        command = [sys.executable, str(HERE / f"{name}.py")]
        command += ["--dry-run"] * arguments.dry_run
        command += ["--images", str(arguments.images.resolve())] if arguments.images else []
        try:
            output, more = ran(command, ROOT if arguments.dry_run else SITE, name), {}
        except TimeoutError as error:
            output, more = str(error), {"unfinished": f"after {SECONDS[name]} s"}
        lines = [line for line in output.splitlines() if line.startswith("{")]
        if not lines:
            raise Failed(f"{name} found nothing in {SECONDS[name]} s\n{output[-6000:]}")
        return json.loads(lines[-1]) | more

    return step


STEPS = {
    "build": build,
    "tests": tests,
    "exchange": program("exchange"),
    "sanitizer": sanitizer,
    "speed": program("speed"),
}


def ran(command: list[str], directory: Path, step: str, more: dict[str, str] | None = None) -> str:
    """What a command printed. Raises Failed with its end if it says that something is wrong, and
    TimeoutError with what it printed so far if it takes too long."""
    paths = map(str, (directory, ROOT / "benchmarks", ROOT / "tests"))
    environment = os.environ | (more or {}) | {"PYTHONPATH": os.pathsep.join(paths)}
    options = {"cwd": directory, "env": environment, "text": True, "start_new_session": True}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, **options, **pipes) as running:
        try:
            output, _ = running.communicate(timeout=SECONDS[step])
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)  # and what it has started
            raise TimeoutError(running.communicate()[0][-20000:]) from None
    if running.returncode:
        end = output[-6000:]
        raise Failed(f"{' '.join(command[:4])} ... ended with {running.returncode}\n{end}")
    return output


if __name__ == "__main__":
    main()
