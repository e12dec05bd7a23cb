"""The ladder: which programs are run, in which order, for how long at most."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

from running import Rung
from variants import OF_CODER, OF_ENGINE, OF_PICTURES, OF_TRITON

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BOTH = "build _C", "build _CUDA"
MODELS = "tiny", "small", "base"
# Files whose tests marked `gpu` are run, each in a process of its own.
TESTS = "kernels", "gdn", "half_precision", "cuda_engine", "cuda_graphs", "synthesis_graphs"
TESTS += "engines", "engine_parts", "symbols", "properties", "format_compatibility", "pixels_cuda"
ON_GPU = "gpu and not slow and not soak"
SUBJECTS = "photograph", "road", "exact pixels", "batches", "graphs", "drawn small", "drawn base"
SUBJECTS += "coder", "new shapes", "launch options"
PDL = (("MCM_FAST_PDL", "1"),)
FIRST = 2  # subjects that are measured before the long tests


def ladder(arguments: argparse.Namespace, site: Path) -> list[list[Rung]]:
    """Rungs of each stage run side by side, one stage after the other."""
    speed = [[rung] for rung in _speed(arguments)]
    stages = [
        [Rung("facts", _program("facts"), 20)],
        _builds(site),
        [*_parity(arguments), *_sanitizers(arguments), *_compilers(arguments, site)],
        *speed[:FIRST],
        [*_tests(arguments), _exchange(arguments), *_dependent(arguments)],
        *([] if arguments.dry_run else [[_ceilings()], [_phases(arguments, site)]]),
        *speed[FIRST:],
        *([] if arguments.dry_run else [[_dependent_speed(arguments)]]),
    ]
    if not arguments.dry_run:
        return stages
    return [[rung for rung in stage if not rung.name.startswith("build")] for stage in stages]


def _program(name: str, *words: str) -> tuple[str, ...]:
    return sys.executable, str(HERE / f"{name}.py"), *words


def _dry(arguments: argparse.Namespace) -> tuple[str, ...]:
    return ("--dry-run",) * arguments.dry_run


def _images(arguments: argparse.Namespace) -> tuple[str, ...]:
    return ("--images", str(arguments.images.resolve())) if arguments.images else ()


def _needed(arguments: argparse.Namespace, *names: str) -> tuple[str, ...]:
    return () if arguments.dry_run else names


def _builds(site: Path) -> list[Rung]:
    names = "_C", "_CUDA"
    return [Rung(f"build {name}", _program("build", name, str(site)), 120) for name in names]


def _parity(arguments: argparse.Namespace) -> list[Rung]:
    def rung(check: str, model: str | None, variants: tuple[str, ...], *needs: str) -> Rung:
        words = ("--model", model) if model else ()
        command = _program("parity", check, *words, *_dry(arguments))
        name = f"parity {check}" + (f" {model}" if model else "")
        return Rung(name, command, 110, _needed(arguments, *needs), variants=variants)

    models = MODELS[:1] if arguments.dry_run else MODELS
    rungs = [rung(check, None, OF_CODER, *BOTH) for check in ("array", "decode", "encode")]
    for model in models:
        rungs += [rung(check, model, OF_TRITON, *BOTH) for check in ("affine", "parameters")]
        checks = "steps", "engine", "prelude"
        rungs += [rung(check, model, OF_ENGINE, *BOTH) for check in checks]
    pictures = rung("render", None, OF_PICTURES, "build _C")
    return [*rungs, rung("transforms", None, (), "build _C"), pictures]


def _dependent(arguments: argparse.Namespace) -> list[Rung]:
    """The engine with programmatic dependent launches, where it is right without."""
    commands = {model: _program("parity", "engine", "--model", model) for model in MODELS}
    return [
        Rung(f"pdl {model}", command, 60, (f"parity engine {model}",), environment=PDL)
        for model, command in commands.items()
        if not arguments.dry_run
    ]


def _dependent_speed(arguments: argparse.Namespace) -> Rung:
    command = _program("speed", "photograph", *_images(arguments))
    return Rung("pdl speed", command, 70, ("pdl small",), environment=PDL)


def _compilers(arguments: argparse.Namespace, site: Path) -> list[Rung]:
    """Registers and local memory of the Triton kernels, by this machine's compiler; and the coder
    once more, with clocks in it."""
    if arguments.dry_run:
        return []
    program = ROOT / "tests" / "kernel_builds.py"
    command = (sys.executable, str(program), "90", "small", "base")
    kernels = Rung("compiled kernels", command, 150, ("build _C",), rows=False)
    return [kernels, Rung("clocks", _program("build", "clocks", str(site)), 90, BOTH)]


def _sanitizers(arguments: argparse.Namespace) -> list[Rung]:
    """On the coder alone, whose memory torch's allocator would hide in blocks of its own."""
    checker, rungs = shutil.which("compute-sanitizer"), []
    for tool in ("memcheck", "racecheck") if checker and not arguments.dry_run else ():
        sanitizer = (checker, "--tool", tool, "--error-exitcode", "9", "--report-api-errors", "no")
        command = (*sanitizer, "--kernel-name", "kns=mcm", *_program("parity", "decode"))
        environment = (("PYTORCH_NO_CUDA_MEMORY_CACHING", "1"),)
        rungs.append(Rung(tool, command, 90, BOTH, environment=environment))
    return rungs


def _tests(arguments: argparse.Namespace) -> list[Rung]:
    if arguments.dry_run:
        return []
    pytest = (sys.executable, "-m", "pytest", "-v", "--tb=short", "-p", "no:cacheprovider")
    pytest += ("-m", ON_GPU, "-o", "faulthandler_timeout=60", "--continue-on-collection-errors")
    pytest += ("-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT))
    files = [(name, ROOT / "tests" / f"test_{name}.py") for name in TESTS]
    return [
        Rung(f"test_{name}", (*pytest, str(path)), 120, BOTH, rows=False) for name, path in files
    ]


def _exchange(arguments: argparse.Namespace) -> Rung:
    command = _program("exchange", *_images(arguments), *_dry(arguments))
    return Rung("exchange", command, 120, _needed(arguments, *BOTH))


def _ceilings() -> Rung:
    return Rung("ceilings", _program("ceilings"), 60)


def _phases(arguments: argparse.Namespace, site: Path) -> Rung:
    paths = f"{site}-clocks", HERE, ROOT / "benchmarks", ROOT / "tests"
    environment = (("PYTHONPATH", os.pathsep.join(map(str, paths))),)
    needs = ("clocks",)
    return Rung("speed phases", _program("speed", "phases"), 60, needs, environment=environment)


def _speed(arguments: argparse.Namespace) -> list[Rung]:
    return [
        Rung(
            f"speed {subject}",
            _program("speed", subject, *_images(arguments), *_dry(arguments)),
            70,
            _needed(arguments, *BOTH),
            variants=OF_ENGINE,
        )
        for subject in SUBJECTS
    ]
