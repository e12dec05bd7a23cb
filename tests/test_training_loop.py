"""A run starts well, stops, goes on exactly, and survives steps that are not finite."""

import csv
import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image
from training_runs import picture, same, weights_after

from mcm_fast.evaluation.metrics import decibels
from mcm_fast.network.model import Network
from mcm_fast.presets import CONFIGS
from mcm_fast.training import checkpoint, data, pca
from mcm_fast.training.loop import Trainer, TrainingError
from mcm_fast.training.step import Step


def quality(network, images, level=None):
    """PSNR in dB of synthesis(analysis(images)), through the rounded latents of a level or none."""
    with torch.no_grad():
        y = network.analysis(images)
        if level is not None:
            levels = torch.full((len(images),), float(level))
            y = network.inverse_gain(network.gain(y, levels).round(), levels)
        side = y.new_zeros(len(y), network.config.hyper_widths[2], *y.shape[2:])
        error = (network.synthesis(y, side) - images).square().mean((1, 2, 3))
    return decibels(error).mean().item()


def test_principal_axes_are_a_good_start():
    images = torch.from_numpy(np.stack([picture(s, 128, 128) for s in range(8)]))
    images = images.permute(0, 3, 1, 2).float() / 255
    network = Network(CONFIGS["small"])
    pca.initialise(network, images)
    assert quality(network, images) > 32
    assert quality(network, images, level=4) > 27


def test_resume_continues_exactly(options, tmp_path):
    """20 steps are 10 + 10, the end of warm-up and the beginning of the last phase among them."""
    options = dataclasses.replace(options, steps=20, quantize_steps=4)
    straight = weights_after(dataclasses.replace(options, out=tmp_path / "straight"))
    weights_after(dataclasses.replace(options, steps=10, quantize_steps=0))
    resumed = weights_after(options, resume=True)
    assert same(straight.parameters, resumed.parameters)
    assert same(straight.averages, resumed.averages)


def test_ctrl_c_saves_and_the_run_goes_on_exactly(options, tmp_path, monkeypatch):
    straight = weights_after(dataclasses.replace(options, out=tmp_path / "straight"))
    trainer = Trainer(options)
    sampler = trainer.sampler

    def interrupted(number):
        if number == 2:
            raise KeyboardInterrupt
        return sampler(number)

    monkeypatch.setattr(trainer, "sampler", interrupted)
    assert len(trainer.run()) == len(trainer.levels)
    resumed = Trainer(options, resume=True)
    assert resumed.number == 2
    resumed.run()
    assert same(straight.parameters, resumed.step.parameters)


def test_exported_weights_start_another_run(options, tmp_path):
    first = weights_after(options)
    path = tmp_path / checkpoint.WEIGHTS
    second = Trainer(dataclasses.replace(options, out=tmp_path / "b"), init_from=path).step
    assert same(first.averages, second.parameters)
    p, q = first.parameters[0], second.parameters[0]
    moments = first.optimizer.state[p]["exp_avg"].bfloat16().float()
    assert torch.equal(moments, second.optimizer.state[q]["exp_avg"])


@pytest.fixture
def step(options):
    torch.manual_seed(0)
    network = Network(CONFIGS["tiny"]).train()
    tiles = torch.randint(0, 256, (4, 3, 96, 96), dtype=torch.uint8)
    return Step(network, tiles, options), data.Sampler(options, 4, 8)


def test_a_step_that_is_not_finite_is_skipped_and_counted(step):
    step, sampler = step
    step(sampler(0), 1e-3, 0.1)
    before = [p.detach().clone() for p in step.parameters]
    bias = step.network.analysis.conv.bias
    bias.data[0], kept = torch.nan, bias.data[0].clone()
    step(sampler(1), 1e-3, 0.0)
    bias.data[0] = kept
    assert same(before, step.parameters)
    health, statistics = step.read()
    assert (health["steps"], health["skipped"], health["longest"]) == (2, 1, 1)
    assert health["bad_mse"] == 1 and torch.isfinite(statistics).all()
    step(sampler(2), 1e-3, 0.1)
    assert step.read()[0]["streak"] == 0


def test_three_steps_in_a_row_that_are_not_finite_end_the_run(options):
    trainer = Trainer(dataclasses.replace(options, read_every=4))
    trainer.step.network.synthesis.conv.bias.data[0] = torch.nan
    with pytest.raises(TrainingError, match="4 steps in a row.*mse"):
        trainer.run()


def test_gradients_are_clipped(step):
    step, sampler = step
    step.clip = 1e-6
    step(sampler(0), 1e-3, 0.1)
    moments = torch.cat([step.optimizer.state[p]["exp_avg"].flatten() for p in step.parameters])
    assert moments.norm() == pytest.approx(0.1 * 1e-6, rel=1e-3)


def test_pictures_and_a_plot_are_left(options):
    pytest.importorskip("matplotlib")
    weights_after(dataclasses.replace(options, pictures=True, read_every=2))
    with Image.open(options.out / "pictures" / "0000006.png") as picture:
        assert picture.size[0] % 64 == 0 and picture.size[1] == 64 * (1 + 3)
    with Image.open(options.out / "log.png") as plot:
        assert plot.format == "PNG"


def test_a_log_with_other_columns_is_put_aside(options):
    (options.out / "log.csv").write_text("step,speed\n1,2\n")
    weights_after(dataclasses.replace(options, steps=1, read_every=1))
    assert (options.out / "log-before.csv").read_text().startswith("step,speed")
    (row,) = csv.DictReader((options.out / "log.csv").open())
    assert row["step"] == "1" and float(row["loss"]) > 0
