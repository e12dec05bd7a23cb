"""The ladder of gpu-check tells apart what is captured and what is launched early. No GPU."""

import json

import pytest
from test_gpu_check import NO_GPU, ROW, check, climbed, modules  # noqa: F401

ONLY = "import sys\nway = sys.argv[-1].split(',') if '--variant' in sys.argv else []\n"


def right_with(*ways: str) -> str:
    return ONLY + f"if not {set(ways)} & set(way): raise SystemExit(1)\n" + ROW


def test_who_is_at_fault(modules, tmp_path):  # noqa: F811
    """Each way is tried alone; what comes after goes all ways that were right."""
    _, _, rungs = modules
    engine, pictures = {"variants": rungs.OF_ENGINE}, {"variants": rungs.OF_PICTURES}
    stages = [
        [
            ("parity prelude", right_with("eager prelude", "loop"), engine),
            ("parity engine", right_with("loop"), engine),
            ("parity render", right_with("eager synthesis"), pictures),
            ("parity transforms", ROW, {}),
        ],
        [("pdl small", "raise SystemExit(1)", {"needs": ("parity transforms",)})],
        [
            ("speed it", ROW + ONLY + "print(way)", {}),
            ("pdl speed", ROW, {"needs": ("pdl small",)}),
        ],
    ]
    ladder, found = climbed(modules, tmp_path, stages)
    assert found["parity prelude"]["at fault"].startswith("capture: the graph of what comes before")
    assert found["parity engine"]["at fault"] == "capture: the graph of the steps"
    assert found["parity render"]["at fault"] == "capture: the synthesis' graph"
    assert "at fault" not in found["pdl small"] and found["speed it"]["outcome"] == "ok"
    assert found["pdl speed"]["outcome"] == "not run: needs pdl small"
    ways = ["eager prelude", "loop", "eager synthesis"]
    assert ladder.variant == ",".join(ways)
    assert str(ways) in (tmp_path / "out" / "gpu-cpu.log").read_text()


def test_the_ways(modules, monkeypatch):  # noqa: F811
    import variants

    from mcm_fast.exact.cuda import graphs as engine
    from mcm_fast.transforms import graphs as synthesis

    for module, switch in ((engine, "STEPS"), (engine, "PRELUDE"), (synthesis, "SYNTHESIS")):
        monkeypatch.setattr(module, switch, True)
    variants.apply(None)
    variants.apply("eager prelude")
    assert (engine.STEPS, engine.PRELUDE, synthesis.SYNTHESIS) == (True, False, True)
    variants.apply("loop,eager synthesis")
    assert (engine.STEPS, engine.PRELUDE, synthesis.SYNTHESIS) == (False, False, False)
    with pytest.raises(SystemExit, match="no variant"):
        variants.apply("loop,backwards")


def test_rungs_of_a_gpu(modules, tmp_path):  # noqa: F811
    """Dependent launches come where the engine is right without; nothing else is done by them."""
    checks, _, rungs = modules
    stages = rungs.ladder(checks.parsed(["--out", str(tmp_path)]), tmp_path)
    by_name = {rung.name: rung for stage in stages for rung in stage}
    for model in rungs.MODELS:
        rung = by_name[f"pdl {model}"]
        assert rung.needs == (f"parity engine {model}",) and not rung.variants
        assert ("MCM_FAST_PDL", "1") in rung.environment
        assert by_name[f"parity prelude {model}"].variants == rungs.OF_ENGINE
    assert by_name["pdl speed"].needs == ("pdl small",) and by_name["pdl speed"] is stages[-1][0]
    early = [name for name, rung in by_name.items() if ("MCM_FAST_PDL", "1") in rung.environment]
    assert set(early) == {"pdl tiny", "pdl small", "pdl base", "pdl speed"}
    assert by_name["parity render"].variants and by_name["speed graphs"]


@NO_GPU
@pytest.mark.slow
def test_dry_run(tmp_path):
    names = "facts", "parity prelude", "parity render", "pdl"
    run = check("--dry-run", "--out", str(tmp_path), "--only", *names)
    assert run.returncode == 0, run.stdout + run.stderr
    rungs = json.loads((tmp_path / "gpu-cpu.json").read_text())["rungs"]
    assert len(rungs["parity prelude tiny"]["rows"]) == 3
    (row,) = rungs["parity render"]["rows"]
    assert row["levels_apart"] == 0 and not any(name.startswith("pdl") for name in rungs)
