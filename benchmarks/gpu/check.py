"""All that a GPU can prove and measure, in one call: `python benchmarks/gpu/check.py --out DIR`.

A ladder (rungs.py): each rung a process with a limit of time, all of them within one deadline.
After each rung the results so far are written, as JSON and as tables (report.py), with its whole
log; where integers differ, both arrays are kept. What goes wrong spoils its own rung alone. A rung
of parity that fails is run again in other ways (variants.py), which says what is at fault; the
first way that is right is how the rungs after it go.

    DIR/gpu-DEVICE.json  .md  .log      DIR/gpu-DEVICE-differences.zip

With --dry-run the same programs run on the CPU, interpreted and with a tiny model, to be tested
themselves: what they write are no measurements.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import os
import re
import shutil
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from facts import device_name
from report import Report
from rungs import HERE, ROOT, ladder
from running import Rung, run
from variants import VARIANTS

WORK = ROOT / "build" / "gpu-check"
SITE = WORK / "site"
RETRIES = 90  # seconds for all other ways of a stage
# Dependencies that the road does without, but imports of its tests do not.
MISSING = ("simplejpeg",)


def main() -> None:
    arguments = parsed(sys.argv[1:])
    if not arguments.dry_run and device_name() is None:
        raise SystemExit("gpu-check needs an NVIDIA GPU, and nvidia-smi names none (try --dry-run)")
    check = Check(arguments, ladder(arguments, SITE))
    check.run()
    if check.failed:
        raise SystemExit(f"gpu-check failed: {', '.join(check.failed)}")


def parsed(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dry-run", action="store_true", help="on the CPU, to test the check")
    parser.add_argument("--images", type=Path, help="a folder of PNG files to exchange and to time")
    parser.add_argument("--out", type=Path, help="where to write; default: benchmarks/results")
    parser.add_argument("--seconds", type=float, default=540, help="for all of it")
    parser.add_argument("--only", nargs="*", default=[], help="rungs whose names begin so")
    arguments = parser.parse_args(words)
    default = WORK / "dry-run" if arguments.dry_run else ROOT / "benchmarks" / "results"
    arguments.out = arguments.out or default
    return arguments


class Check:
    """Runs the stages of a ladder until all is done or time is up. `failed`: names of rungs."""

    def __init__(self, arguments: argparse.Namespace, stages: list[list[Rung]], work: Path = WORK):
        self.deadline = time.monotonic() + arguments.seconds
        self.only, self.dry_run, self.work = tuple(arguments.only), arguments.dry_run, work
        self.stages, self.failed, self.lock = stages, [], threading.Lock()
        self.outcomes: dict[str, dict] = {}
        self.variant = ""  # the ways that are right, if the usual one is not, with commas
        device = device_name() or ("CPU" if self.dry_run else "unknown device")
        name = "gpu-" + "-".join(re.findall(r"[a-z0-9]+", device.lower()))
        self.report = Report(arguments.out, name, device, self.dry_run)
        self.environment = self._environment()

    def run(self) -> None:
        shutil.rmtree(self.work, ignore_errors=True)
        for stage in self.stages:
            wanted = [rung for rung in stage if self._is_wanted(rung)]
            with ThreadPoolExecutor(len(wanted) or 1) as pool:
                list(pool.map(self._climb, wanted))
            self._retry([rung for rung in wanted if self._is_wrong(rung)])

    def _is_wanted(self, rung: Rung) -> bool:
        """Builds are what others need."""
        return not self.only or rung.name.startswith(("build", *self.only))

    def _climb(self, rung: Rung) -> None:
        if self.variant and rung.name.startswith(("speed", "exchange")):
            rung = dataclasses.replace(rung, command=(*rung.command, "--variant", self.variant))
        missing = [name for name in rung.needs if self._went_wrong(name)]
        left = self.deadline - time.monotonic()
        if missing:
            self._write(rung.name, {"outcome": f"not run: needs {', '.join(missing)}"})
        elif left < 2:
            self._write(rung.name, {"outcome": "not run: no time is left"})
        else:
            self._write(rung.name, self._tried(rung, min(rung.seconds, left)))

    def _tried(self, rung: Rung, seconds: float) -> dict:
        folder = self.work / "rungs" / rung.name.replace(" ", "-").replace(",", "")
        return run(rung, folder, seconds, self.environment) | {"folder": folder}

    def _went_wrong(self, name: str) -> bool:
        return self.outcomes.get(name, {}).get("outcome", "not run") != "ok"

    def _is_wrong(self, rung: Rung) -> bool:
        """Was it run, and can it be tried in other ways?"""
        outcome = self.outcomes[rung.name]["outcome"]
        return rung.name.startswith("parity") and outcome != "ok" and "not run" not in outcome

    def _retry(self, rungs: list[Rung]) -> None:
        """The same in other ways, many side by side, not for long: more is to come."""
        until = min(self.deadline, time.monotonic() + RETRIES)
        pairs = [(rung, variant) for rung in rungs for variant in rung.variants]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(lambda pair: self._in_another_way(*pair, until), pairs))
        for rung in rungs:
            right = [v for v in rung.variants if not self._went_wrong(f"{rung.name}, {v}")]
            blame = "; ".join(VARIANTS[v] for v in right) or "the kernel's own arithmetic, or data"
            self.outcomes[rung.name]["at fault"] = blame
            ways = [*filter(None, self.variant.split(",")), *right[:1]]
            self.variant = ",".join(dict.fromkeys(ways))
        self.report.write(self.outcomes)

    def _in_another_way(self, rung: Rung, variant: str, until: float) -> None:
        environment = (("CUDA_LAUNCH_BLOCKING", "1"),) if variant == "blocking" else ()
        name, left = f"{rung.name}, {variant}", until - time.monotonic()
        again = Rung(name, (*rung.command, "--variant", variant), 0, environment=environment)
        if left < 2:
            self._write(name, {"outcome": "not run: no time is left"}, counts=False)
        else:
            self._write(name, self._tried(again, min(rung.seconds, left)), counts=False)

    def _write(self, name: str, outcome: dict, counts: bool = True) -> None:
        """What has become of a rung, before anything else can go wrong."""
        with self.lock:
            folder = outcome.pop("folder", None)
            self.outcomes[name] = outcome
            if counts and outcome["outcome"] != "ok":
                self.failed.append(name)
            print(f"gpu-check: {name}: {outcome['outcome']}", flush=True)
            if folder:
                self.report.keep(name, folder)
            self.report.write(self.outcomes)

    def _environment(self) -> dict[str, str]:
        """Programs find the package that was built here, and all of its dependencies."""
        stubs = self.work.parent / "gpu-check-stand-ins"
        stand_ins(stubs, [name for name in MISSING if importlib.util.find_spec(name) is None])
        package = ROOT if self.dry_run else SITE
        paths = (package, HERE, ROOT / "benchmarks", ROOT / "tests", stubs)
        return {"PYTHONPATH": os.pathsep.join(map(str, paths))}


def stand_ins(folder: Path, names: list[str]) -> None:
    """Modules in place of packages that are not installed: they can be imported, not used."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        code = f"def __getattr__(what):\n    raise AttributeError('{name} is not installed here')\n"
        (folder / f"{name}.py").write_text(code)


if __name__ == "__main__":
    main()
