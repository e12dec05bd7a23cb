"""When rates and phases change, and what options allow."""

import json

import pytest

from mcm_fast.training.config import RECIPES, Options, recipe
from mcm_fast.training.schedule import Phase, Schedule


def test_schedule_by_steps_and_by_the_clock():
    steps = Schedule(Options(steps=100, lr=1.0, warmup=10, decay_steps=20, quantize_steps=5))
    assert [steps.lr(n, 0) for n in (4, 50, 90)] == [0.5, 1.0, 0.5]
    assert [steps.phase(n, 0).quantized for n in (94, 95)] == [False, True]
    assert [steps.finished(n, 0) for n in (99, 100)] == [False, True]
    clock = Schedule(Options(minutes=10, lr=1.0, warmup=0, decay_minutes=2, quantize_minutes=1))
    assert [clock.lr(0, s) for s in (0, 480, 540, 600)] == [1.0, 1.0, 0.5, 0.0]
    assert [clock.phase(0, s).quantized for s in (530, 550)] == [False, True]


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"steps": 1, "minutes": 1},
        {"minutes": 1, "decay_steps": 1},
        {"steps": 1, "crop": 100},
        {"steps": 1, "beta": 0.01, "crop": 128},
        {"steps": 1, "alpha": 0.01},
        {"steps": 1, "parts": "analysis"},
        {"steps": 1, "ends": 1.5},
        {"steps": 1, "synthetic": 0.95},
    ],
    ids=str,
)
def test_options_are_checked(wrong):
    with pytest.raises(ValueError):
        Options(**wrong)


def test_ms_ssim_counts_once_warm_up_is_over():
    schedule = Schedule(Options(steps=100, warmup=10, beta=0.01))
    assert [schedule.phase(n, 0) for n in (9, 10)] == [Phase(), Phase(structural=True)]


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_are_options(name, tmp_path):
    options = Options(**recipe(name) | {"steps": 1, "lpips": tmp_path})
    assert (options.parts == "synthesis") == (name == "step2")


def test_a_recipe_may_be_a_file(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"lr": 0.5, "out": "runs/mine"}))
    assert Options(**recipe(str(path)), steps=1).lr == 0.5
    path.write_text(json.dumps({"rate": 0.5}))
    with pytest.raises(ValueError, match="not a JSON object of alpha"):
        recipe(str(path))
    with pytest.raises(ValueError, match="none of mse, step1"):
        recipe("step3")
