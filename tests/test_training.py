"""Training: its data, its schedule, its start, and that a run can stop and go on exactly."""

import dataclasses
import io
import tarfile

import numpy as np
import pytest
import torch
from PIL import Image

from mcm_fast.network.model import Network
from mcm_fast.presets import CONFIGS
from mcm_fast.training import checkpoint, data, pca
from mcm_fast.training.config import Options
from mcm_fast.training.loop import Trainer, TrainingError
from mcm_fast.training.schedule import Schedule
from mcm_fast.training.step import Step


def picture(seed, height=100, width=100):
    """A smooth random photograph, more or less: [H, W, 3] uint8."""
    rng = np.random.default_rng(seed)
    rough = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(rough).resize((width, height), Image.Resampling.BICUBIC))


@pytest.fixture(scope="session")
def shard(tmp_path_factory):
    path = tmp_path_factory.mktemp("train") / "crops-0.tar"
    with tarfile.open(path, "w") as tar:
        for seed in range(12):
            buffer = io.BytesIO()
            Image.fromarray(picture(seed)).save(buffer, "PNG")
            info = tarfile.TarInfo(f"{seed:05d}.png")
            info.size = buffer.tell()
            buffer.seek(0)
            tar.addfile(info, buffer)
    return path


@pytest.fixture
def options(shard, tmp_path):
    return Options(
        preset="tiny", data=(shard,), out=tmp_path, crop=64, tile=96, batch=2, steps=6, warmup=2
    )


def test_tiles_come_from_tars_and_folders(shard, tmp_path, options):
    assert data.load(options).train.shape[1:] == (3, 96, 96)
    Image.fromarray(picture(1, 200, 300)).save(tmp_path / "large.png")
    Image.fromarray(picture(2, 50, 300)).save(tmp_path / "small.png")
    tiles = data.load(dataclasses.replace(options, data=(tmp_path,)))
    assert len(tiles.train) + len(tiles.held_out) in (6, 7)
    with pytest.raises(ValueError, match="fewer than a batch"):
        data.load(dataclasses.replace(options, data=(tmp_path,), tile=160))


@pytest.mark.parametrize("rows,columns,transpose", list(np.ndindex(2, 2, 2)))
def test_crop_is_one_gather_of_slices_and_flips(rows, columns, transpose):
    tiles = torch.randint(0, 256, (5, 3, 96, 96), dtype=torch.uint8)
    expected = tiles[3, :, 7 : 7 + 64, 9 : 9 + 64]
    # The look-up applies the flips first: seen from the slice the transposition comes first.
    expected = expected.transpose(1, 2) if transpose else expected
    expected = expected.flip(1) if rows else expected
    expected = expected.flip(2) if columns else expected
    geometry = torch.tensor([[3, 7, 9, rows, columns, transpose]])
    assert torch.equal(data.crop(tiles, geometry, 64)[0], expected.float() / 255)


def test_sampler_sees_every_tile_once_an_epoch_and_every_level(options):
    options = dataclasses.replace(options, batch=4)
    sampler = data.Sampler(options, tiles=12, levels=8)
    plans = [sampler(step) for step in range(300)]
    first = torch.cat([plan.geometry[:, 0] for plan in plans[:3]])
    assert sorted(first.tolist()) == list(range(12))
    levels = torch.cat([plan.level for plan in plans])
    assert levels.min() == 0 and levels.max() == 7
    assert ((levels == levels.round()).float().mean() - 0.3).abs() < 0.1
    assert torch.equal(sampler(7).geometry, data.Sampler(options, 12, 8)(7).geometry)


def test_ranks_share_an_epoch(options):
    samplers = [data.Sampler(options, tiles=8, levels=8, rank=r, world=2) for r in range(2)]
    seen = [s(step).geometry[:, 0] for s in samplers for step in range(2)]
    assert sorted(torch.cat(seen).tolist()) == list(range(8))


def test_schedule_by_steps_and_by_the_clock():
    steps = Schedule(Options(steps=100, lr=1.0, warmup=10, decay_steps=20, quantize_steps=5))
    assert [steps.lr(n, 0) for n in (4, 50, 90)] == [0.5, 1.0, 0.5]
    assert [steps.quantized(n, 0) for n in (94, 95)] == [False, True]
    assert [steps.finished(n, 0) for n in (99, 100)] == [False, True]
    clock = Schedule(Options(minutes=10, lr=1.0, warmup=0, decay_minutes=2, quantize_minutes=1))
    assert [clock.lr(0, s) for s in (0, 480, 540, 600)] == [1.0, 1.0, 0.5, 0.0]
    assert [clock.quantized(0, s) for s in (530, 550)] == [False, True]


@pytest.mark.parametrize(
    "wrong",
    [{}, {"steps": 1, "minutes": 1}, {"minutes": 1, "decay_steps": 1}, {"steps": 1, "crop": 100}],
    ids=str,
)
def test_options_are_checked(wrong):
    with pytest.raises(ValueError):
        Options(**wrong)


def test_principal_axes_are_a_good_start():
    images = torch.from_numpy(np.stack([picture(s, 128, 128) for s in range(8)]))
    images = images.permute(0, 3, 1, 2).float() / 255
    network = Network(CONFIGS["small"])
    pca.initialise(network, images)
    assert pca.quality(network, images) > 32
    assert pca.quality(network, images, level=4) > 27


def weights_after(options, **how):
    trainer = Trainer(options, **how)
    trainer.run()
    return trainer.step


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_resume_continues_exactly(options, tmp_path):
    straight = weights_after(dataclasses.replace(options, out=tmp_path / "straight"))
    weights_after(dataclasses.replace(options, steps=3))
    resumed = weights_after(options, resume=True)
    assert same(straight.parameters, resumed.parameters)
    assert same(straight.averages, resumed.averages)


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
