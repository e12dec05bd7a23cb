"""The ladder of gpu-check without a GPU: whatever becomes of a rung, the report holds the rest."""

import ast
import dataclasses
import glob
import importlib.util
import itertools
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from test_cuda_build import NVCC

ROOT = Path(__file__).parents[1]
GPU_CHECK = ROOT / "benchmarks" / "gpu"
NO_GPU = pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
ONLY = "facts", "parity decode", "exchange", "speed exact pixels"  # of a dry run
ROW = "print('{\"number\": 1}', flush=True)\n"


@pytest.fixture
def modules(monkeypatch):
    """check, running and rungs, which are no package."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    monkeypatch.syspath_prepend(str(GPU_CHECK))
    import check
    import rungs
    import running

    return check, running, rungs


def check(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, str(GPU_CHECK / "check.py"), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def climbed(modules, tmp_path, stages, seconds=60.0):
    """What is written when a ladder of these (name, code, more of Rung) was climbed."""
    check, running, _ = modules
    rungs = [
        [running.Rung(name, (sys.executable, "-c", code), 20, **more) for name, code, more in stage]
        for stage in stages
    ]
    arguments = check.parsed(["--dry-run", "--out", str(tmp_path / "out")])
    arguments.seconds = seconds
    ladder = check.Check(arguments, rungs, tmp_path / "work")
    ladder.run()
    return ladder, json.loads((tmp_path / "out" / "gpu-cpu.json").read_text())["rungs"]


def test_every_file_with_tests_for_a_gpu_is_run(modules):
    *_, rungs = modules
    marks = r"^from (conftest|test_engines) import .*\b(ENGINES|GPU|ON_DEVICE|RUNNERS)\b"
    paths = (ROOT / "tests").glob("test_*.py")
    files = {p.stem for p in paths if re.search(marks, p.read_text(), re.MULTILINE)}
    assert {name.removeprefix("test_") for name in files} == set(rungs.TESTS)


def test_each_way_to_go_wrong(modules, tmp_path):
    """Rows that were printed count; the whole log is kept; rungs after it are climbed."""
    code = {
        "fine": ROW,
        "fails": ROW + "raise ValueError('x' * 9000)",
        "dies": ROW + "import os; os.kill(os.getpid(), 11)",
        "hangs": ROW + "import time; time.sleep(1000)",
        "ignores signals": ROW + "import signal, time\n"
        "signal.signal(signal.SIGABRT, signal.SIG_IGN); time.sleep(1000)",
        "prints nothing": "",
        "prints half a row": ROW + "print('{\"number\": ', end='')",
        "says nothing and need not": "",
    }
    _, running, _ = modules
    stage = [(name, text, {}) for name, text in code.items()]
    stage[-1][2]["rows"] = False
    running_limit = {"hangs": 2, "ignores signals": 2}
    check_module = modules[0]
    original = check_module.run

    def quick(rung, folder, seconds, environment):
        return original(rung, folder, running_limit.get(rung.name, seconds), environment)

    check_module.run = quick
    try:
        last = [("in need", ROW, {"needs": ("fine", "dies")}), ("last", ROW, {"needs": ("fine",)})]
        ladder, found = climbed(modules, tmp_path, [stage, last])
    finally:
        check_module.run = original
    outcomes = {name: row["outcome"] for name, row in found.items()}
    assert outcomes["fine"] == outcomes["says nothing and need not"] == outcomes["last"] == "ok"
    assert outcomes["fails"] == "failed: ended with 1" and outcomes["dies"] == "died: SIGSEGV"
    assert outcomes["hangs"].startswith("hung") and outcomes["ignores signals"].startswith("hung")
    assert outcomes["prints nothing"] == "printed nothing" and outcomes["prints half a row"] == "ok"
    assert outcomes["in need"] == "not run: needs dies"
    assert set(ladder.failed) == set(code) - {
        "fine",
        "prints half a row",
        "says nothing and need not",
    } | {"in need"}
    assert all(found[name]["rows"] == [{"number": 1}] for name in ("fails", "dies", "hangs"))
    log = (tmp_path / "out" / "gpu-cpu.log").read_text()
    assert "x" * 9000 in log and "time.sleep" not in log.split("hangs")[0]
    assert "Fatal Python error: Aborted" in log  # where it hung
    page = (tmp_path / "out" / "gpu-cpu.md").read_text()
    assert all(f"| {name} |" in page for name in found)


def test_what_cannot_be_started(modules, tmp_path):
    check, running, _ = modules
    arguments = check.parsed(["--dry-run", "--out", str(tmp_path / "out")])
    stages = [[running.Rung("none", ("/no/such/program",), 5)]]
    ladder = check.Check(arguments, stages, tmp_path / "work")
    ladder.run()
    assert "could not be run" in ladder.outcomes["none"]["outcome"]


def test_no_time_is_left(modules, tmp_path):
    ladder, found = climbed(modules, tmp_path, [[("late", ROW, {})]], seconds=0)
    assert found["late"]["outcome"] == "not run: no time is left" and ladder.failed == ["late"]


def test_a_wrong_kernel_is_tried_in_other_ways(modules, tmp_path):
    """What is right without a graph is the graph's fault, and later rungs go without it."""
    wrong = (
        "import sys\n"
        "from differences import require_equal\nimport torch\n"
        "if 'loop' not in sys.argv: require_equal('y', torch.zeros(3), torch.ones(3))\n" + ROW
    )
    told = ROW + "import sys; print(sys.argv[1:])"
    variants = {"variants": ("loop", "four warps")}
    never = ROW + "raise SystemExit(1)"
    stages = [
        [("parity graph", wrong, variants), ("parity none", never, variants)],
        [("speed it", told, {})],
    ]
    check = modules[0]
    ladder, found = climbed(modules, tmp_path, stages)
    assert "capture" in found["parity graph"]["at fault"] and "layout" not in str(found)
    assert "own arithmetic" in found["parity none"]["at fault"]
    assert found["parity graph"]["rows"][0]["first"] == [0]
    assert ladder.variant == "loop" and set(ladder.failed) == {"parity graph", "parity none"}
    assert "['--variant', 'loop']" in (tmp_path / "out" / "gpu-cpu.log").read_text()
    names = zipfile.ZipFile(tmp_path / "out" / "gpu-cpu-differences.zip").namelist()
    assert "parity-graph/y.npz" in names and check.VARIANTS["loop"].startswith("capture")


@NO_GPU
def test_it_needs_a_gpu(tmp_path):
    run = check("--out", str(tmp_path))
    assert run.returncode != 0 and "needs an NVIDIA GPU" in run.stderr
    assert not list(tmp_path.iterdir())


@NO_GPU
def test_dry_run(tmp_path):
    run = check("--dry-run", "--out", str(tmp_path), "--only", *ONLY)
    assert run.returncode == 0, run.stdout + run.stderr
    rungs = json.loads((tmp_path / "gpu-cpu.json").read_text())["rungs"]
    assert all(row["equal"] for row in rungs["speed exact pixels"]["rows"])
    assert len(rungs["exchange"]["rows"]) == 2 and len(rungs["parity decode"]["rows"]) == 8
    assert "no measurements" in (tmp_path / "gpu-cpu.md").read_text()


@NO_GPU
@pytest.mark.slow
def test_dry_run_of_everything(tmp_path):
    run = check("--dry-run", "--out", str(tmp_path), "--seconds", "3000")
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_ladder_of_a_gpu(modules, tmp_path):
    """Every program and test file is there; whatever is needed comes in an earlier stage."""
    check, _, rungs = modules
    stages = rungs.ladder(check.parsed(["--out", str(tmp_path)]), tmp_path)
    earlier = set()
    for stage in stages:
        for rung in stage:
            assert set(rung.needs) <= earlier, rung
            paths = [Path(word) for word in rung.command if word.endswith(".py")]
            assert all(path.exists() for path in paths), rung
        earlier |= {rung.name for rung in stage}
    assert {"speed road", "test_gdn", "parity engine base", "ceilings"} <= earlier
    assert "speed exact pixels" in earlier


def test_wrong_pixels_are_seen(modules, tmp_path, monkeypatch):
    """A pixel that differs is an error, and both pictures are kept."""
    monkeypatch.chdir(tmp_path)
    import exact_pixels
    from differences import Different
    from speed import DRY_RUN

    real = exact_pixels.CudaRenderer.render

    def wrong(*args):
        return real(*args).index_fill_(1, torch.tensor([3]), 1)

    monkeypatch.setattr(exact_pixels.CudaRenderer, "render", wrong)
    with pytest.raises(Different, match="pixels odd"):
        list(exact_pixels.exact_pixels(DRY_RUN, None))
    assert [path.name for path in tmp_path.glob("*.npz")] == ["pixels-odd.npz"]


def test_drawn_latents_have_the_cpu_s_pixels(modules):
    """The rung as a GPU runs it, on the smaller picture."""
    import exact_pixels
    from speed import DRY_RUN

    plan = dataclasses.replace(DRY_RUN, drawn=True)
    rows = list(itertools.islice(exact_pixels._drawn(plan), 3))
    assert {row["what"].split(",")[0] for row in rows} == set(exact_pixels.NAMES)
    assert all(row["equal"] and row["exact ms"] > 0 for row in rows)


@pytest.mark.slow
@pytest.mark.skipif(not NVCC, reason="needs nvcc, on PATH or named in NVCC")
@pytest.mark.parametrize("more", [(), ("-DMCM_CLOCKS",)], ids=["plain", "clocks"])
def test_builds_the_coder(modules, tmp_path, more):
    import build

    library = tmp_path / f"_CUDA{build.SUFFIX}"
    build.build_cuda(library, *more)
    spec = importlib.util.spec_from_file_location("_CUDA", library)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.use_shared_tables(False)
    assert "seen" in module.DECODING and (more or module.phases() == [])


@pytest.mark.slow
def test_builds_itself(modules, tmp_path):
    """Without setuptools: plain lines."""
    import build

    source, missing = tmp_path / "_C.cpp", tmp_path / "missing.cpp"
    source.write_text(
        "#include <pybind11/pybind11.h>\nint other();\n"
        'PYBIND11_MODULE(_C, m) { m.attr("n") = other(); }'
    )
    missing.write_text("int other() { return 3; }\n")
    library = tmp_path / f"_C{build.SUFFIX}"
    build.build_c([source, missing], tmp_path / "objects", library)
    other = tmp_path / "more" / f"_C{build.SUFFIX}"
    other.parent.mkdir()
    with pytest.raises(ImportError, match="undefined symbol"):
        build.build_c([source], tmp_path / "objects", other)


def test_builds_what_setup_builds(modules, monkeypatch):
    import build

    tree = ast.parse((ROOT / "setup.py").read_text())
    (function,) = (node for node in tree.body if getattr(node, "name", "") == "cpu_extension")
    names = {"glob": glob.glob, "Extension": lambda name, sources: sources}
    exec(compile(ast.Module([function], []), "setup.py", "exec"), names)
    monkeypatch.chdir(ROOT)
    expected = {ROOT / path for path in names["cpu_extension"]()}
    assert set(build.sources_of_c()) == expected


def test_what_runs_on_a_gpu(modules, tmp_path):
    """By a marker, not by name: this engine's own tests, and those of all engines. Packages that
    only pictures need may be missing."""
    modules[0].stand_ins(tmp_path, ["simplejpeg"])
    files = [ROOT / "tests" / f"test_{name}.py" for name in ("symbols", "properties", "gdn")]
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-m", "gpu", *files]
    environment = {**__import__("os").environ, "PYTHONPATH": str(tmp_path)}
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)
    for name in ("test_devices_exchange", "test_any_splice_is", "test_equals_its_twin"):
        assert name in run.stdout, run.stdout + run.stderr
    assert "test_round_trip[cuda" in run.stdout and "test_round_trip[cpu" not in run.stdout
    assert "test_any_bytes" not in run.stdout


@pytest.mark.parametrize("name", ["small-768x512", "base-768x512"])
def test_drawn_latents_cost_half_a_bit(modules, name):
    import cases

    from mcm_fast.exact.cpu import CpuEngine

    model, y, z = cases.drawn(cases.DRAWN / f"{name}.npz")
    [(coded, _)] = CpuEngine(model).encode([(y, z, cases.QUALITY)])
    bits = 8 * sum(map(len, coded.segments)) / (256 * y[0].numel())
    assert 0.48 < bits < 0.52 and y.shape[1:] == (32, 48)
