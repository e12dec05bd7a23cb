"""Training: its data, its schedule, its start, and that a run can stop and go on exactly."""

import csv
import dataclasses
import io
import json
import os
import subprocess
import sys
import tarfile

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from test_lpips import _write_random

from mcm_fast import Codec, model_file
from mcm_fast.cli import main
from mcm_fast.images import read_image
from mcm_fast.network.model import Network
from mcm_fast.presets import CONFIGS
from mcm_fast.training import checkpoint, data, pca
from mcm_fast.training.adversarial import Discriminator, discriminator_loss, generator_loss
from mcm_fast.training.config import RECIPES, Options, recipe
from mcm_fast.training.export import RENDERING
from mcm_fast.training.loop import Trainer, TrainingError
from mcm_fast.training.losses import STATISTICS, Objective
from mcm_fast.training.schedule import Phase, Schedule
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
    ],
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


# -- the parts of the bracket ----------------------------------------------------------------------


@pytest.fixture
def lpips(tmp_path):
    """A folder with a random backbone: enough for gradients."""
    folder = tmp_path / "lpips"
    folder.mkdir()
    _write_random(folder, "squeeze")
    return folder


def test_lpips_and_ms_ssim_reach_analysis_and_synthesis(options, lpips):
    pytest.importorskip("pytorch_msssim")
    names = dict(alpha=0.01, beta=0.01, lpips=lpips, crop=192, tile=192)
    network = Network(CONFIGS["tiny"]).train()
    objective = Objective(network, dataclasses.replace(options, **names))
    smooth = torch.from_numpy(np.stack([picture(s, 192, 192) for s in range(2)]))
    image, level = smooth.permute(0, 3, 1, 2).float() / 255, torch.tensor([2.0, 6.5])
    pca.initialise(network, image)
    decoded = network(image, level).image
    assert objective._distortions(image, decoded, None).keys() == {"mse", "lpips"}
    objective.structural = True  # after warm-up
    parts = objective._distortions(image, decoded, None)
    for name in ("lpips", "msssim"):
        assert parts[name].shape == (2,) and (parts[name] > 0).all()
        sides = [network.analysis.conv.weight, network.synthesis.conv.weight]
        for gradient in torch.autograd.grad(parts[name].sum(), sides, retain_graph=True):
            assert gradient.isfinite().all() and gradient.abs().sum() > 0
    with_all = objective(image, level)
    assert with_all.statistics[:, STATISTICS.index("lpips")].sum() > 0 and with_all.latents is None


def test_ms_ssim_counts_once_warm_up_is_over():
    schedule = Schedule(Options(steps=100, warmup=10, beta=0.01))
    assert [schedule.phase(n, 0) for n in (9, 10)] == [Phase(), Phase(structural=True)]


# -- step 2 ----------------------------------------------------------------------------------------


def test_a_discriminator_learns_and_its_condition_has_no_gradient():
    torch.manual_seed(0)
    critic = Discriminator(16, width=8)
    image, latents = torch.rand(2, 3, 64, 64), torch.randn(2, 16, 4, 4)
    decoded = (image * 0.5).requires_grad_()
    adam = torch.optim.Adam(critic.parameters(), 1e-3)
    losses = []
    for _ in range(20):
        loss = discriminator_loss(critic(image, latents), critic(decoded.detach(), latents))
        adam.zero_grad()
        loss.backward()
        adam.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]
    cost = generator_loss(critic(decoded, latents))
    assert cost.shape == (2,) and cost.mean() > 0.5
    cost.sum().backward()
    assert decoded.grad.abs().sum() > 0


@pytest.fixture
def model(options, tmp_path):
    """A tiny model file, trained for a few steps."""
    path = tmp_path / "model.safetensors"
    model_file.save(weights_after(dataclasses.replace(options, out=tmp_path / "first")).ema, path)
    return path


def second(options, **others):
    return dataclasses.replace(options, gan=0.001, parts=None, lr=1e-3, **others)


def test_step_2_moves_the_synthesis_alone_and_leaves_the_bytes(options, model):
    base = checkpoint.load_weights(model).state_dict()
    step = weights_after(second(options), init_from=model)
    state = step.network.state_dict()
    moved = {name for name in base if not torch.equal(base[name], state[name])}
    assert moved == {name for name in base if name.startswith("synthesis.")}
    shipped = Codec.from_file(model)
    image = torch.from_numpy(picture(40, 80, 112).copy()).permute(2, 0, 1).contiguous()
    stream = shipped.compress(image, 70)
    again = Codec(step.ema, shipped.integers)
    assert again.compress(image, 70) == stream
    assert not torch.equal(again.decompress(stream), shipped.decompress(stream))


def test_step_2_sees_what_the_codec_decodes(options, model):
    """The frozen part is rounded as it is in use, and latents are what the synthesis sees."""
    trainer = Trainer(second(options, steps=1), init_from=model)
    trainer.run()
    step = trainer.step
    assert step.phase == Phase(quantized=True)
    image, level = torch.rand(2, 3, 64, 64), torch.tensor([0.0, 7.0])
    out = step.objective(image, level)
    assert out.latents.shape == (2, 16, 4, 4) and not out.latents.requires_grad
    assert out.statistics[:, STATISTICS.index("gan")].sum() > 0


def test_the_whole_of_step_2_is_an_option(options, model):
    whole = dataclasses.replace(options, gan=0.001, parts="all", steps=2)
    step = weights_after(whole, init_from=model)
    base = checkpoint.load_weights(model).state_dict()
    state = step.network.state_dict()
    assert not torch.equal(base["analysis.conv.weight"], state["analysis.conv.weight"])


def test_step_2_resumes_exactly(options, model, tmp_path):
    straight = weights_after(second(options, out=tmp_path / "s"), init_from=model)
    weights_after(second(options, out=tmp_path / "r", steps=3), init_from=model)
    resumed = weights_after(second(options, out=tmp_path / "r"), resume=True)
    assert same(straight.parameters, resumed.parameters)
    assert same(straight.rival.parameters, resumed.rival.parameters)


# -- export ----------------------------------------------------------------------------------------


def run(*arguments):
    """A command of `mcm-fast` in this process."""
    assert main([str(a) for a in arguments]) == 0


TINY = ("--preset", "tiny", "--device", "cpu", "--crop", 64, "--tile", 96, "--batch", 2)


def test_a_rendering_joins_its_model(options, model, shard, tmp_path):
    path = tmp_path / "both.safetensors"
    step2 = "--gan", 0.001, "--steps", 2, "--warmup", 0, "--init-from", model, "--export", path
    run("train", shard, "--out", tmp_path / "b", *TINY, *step2)
    before, after = load_file(model), load_file(path)
    added = after.keys() - before.keys()
    assert {name for name in added if not name.startswith(RENDERING)} == set()
    assert len(added) == len(Network(CONFIGS["tiny"]).synthesis.state_dict())
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert model_file.model_id(path) == model_file.model_id(model)


def test_a_model_file_starts_a_run_with_its_moments(options, model, tmp_path):
    os.rename(tmp_path / "first" / checkpoint.MOMENTS, tmp_path / "model.moments")
    trainer = Trainer(options, init_from=model)
    assert trainer.step.optimizer.state[trainer.step.parameters[0]]["step"] == options.steps
    floats = load_file(model)
    for name, parameter in trainer.step.network.named_parameters():
        assert torch.equal(parameter, floats[f"network.{name}"].float())


def test_export_without_training(options, tmp_path, capsys):
    weights_after(options)
    weights, path = options.out / checkpoint.WEIGHTS, tmp_path / "model.safetensors"
    run("export", weights, path)
    image = torch.from_numpy(picture(3).copy()).permute(2, 0, 1).contiguous()
    codec = Codec.from_file(path)
    assert codec.decompress(codec.compress(image)).shape == image.shape
    assert main(["export", str(path), str(tmp_path / "again")]) == 2
    assert "is a model already" in capsys.readouterr().err


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    images = pytest.importorskip("skimage.data")
    folder = tmp_path_factory.mktemp("photographs")
    for name in ("astronaut", "chelsea", "coffee", "rocket"):
        Image.fromarray(getattr(images, name)()).save(folder / f"{name}.png")
    return folder


def test_smoke_from_scratch(photographs, tmp_path):
    """Half a minute from random weights, without the head start of principal axes."""
    torch.manual_seed(0)
    options = Options(
        preset="tiny", data=(photographs,), out=tmp_path, crop=64, tile=128, batch=4,
        steps=300, lr=4e-3, warmup=30, decay_steps=100, quantize_steps=50, ema=0.99,
    )  # fmt: skip
    trainer = Trainer(options, network=Network(CONFIGS["tiny"]))
    before = sum(p.loss for p in trainer.validate())
    assert sum(p.loss for p in trainer.run()) < before / 2
    log = [float(row["loss"]) for row in csv.DictReader((tmp_path / "log.csv").open())]
    assert min(log[-3:]) < log[0] / 2
    path = tmp_path / "model.safetensors"
    run("export", tmp_path / checkpoint.WEIGHTS, path)
    codec = Codec.from_file(path)
    image, _ = read_image(photographs / "chelsea.png")
    latents = codec.analysis(image, 80)
    stream = codec.encode(latents)
    assert codec.decode(stream) == latents
    decoded = codec.decompress(stream)
    grey = (image.float() - image.float().mean()).square().mean()
    assert (decoded.float() - image.float()).square().mean() < grey


# -- several processes -----------------------------------------------------------------------------


def test_two_processes_take_the_step_of_one(options, shard, model, tmp_path):
    """Two processes with 2 crops each and one with the same 4; rounded, so without noise."""
    two = tmp_path / "two"
    torchrun = "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"
    arguments = "--steps", 1, "--quantize-steps", 1, "--warmup", 0, "--read-every", 1
    command = [sys.executable, *torchrun, "-m", "mcm_fast.training", shard, "--out", two]
    command += [*TINY, *arguments, "--init-from", model]
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("held out") == 1  # the first process alone speaks

    network = checkpoint.load_weights(model).train()
    step = Step(network, data.load(options).train, dataclasses.replace(options, batch=4))
    step.enter(Phase(quantized=True))
    samplers = [data.Sampler(options, len(step.tiles), 8, rank, 2) for rank in range(2)]
    plan = data.Plan(*(torch.cat(parts) for parts in zip(*(s(0) for s in samplers), strict=True)))
    step(plan, options.lr, 0.9)
    health, sums = step.read()
    (row,) = csv.DictReader((two / "log.csv").open())
    assert float(row["norm"]) == pytest.approx(health["norm"], rel=1e-3)
    assert float(row["loss"]) == pytest.approx(sums[:, 1].sum().item() / 4, rel=1e-4)
    ours, theirs = step.ema.state_dict(), load_file(two / checkpoint.WEIGHTS)
    base = checkpoint.load_weights(model).state_dict()
    moved = torch.cat([(ours[name] - base[name]).flatten() for name in base])
    apart = torch.cat([(ours[name] - theirs[name]).flatten() for name in base])
    assert apart.norm() < 0.05 * moved.norm()  # Adam's first step is a sign: it shows any noise


# -- programs that run elsewhere -------------------------------------------------------------------


def test_the_objective_of_step_2_is_one_graph(options):
    """What a GPU compiles: the network, its hook and the discriminator, without a break."""
    torch.manual_seed(0)
    network = Network(CONFIGS["tiny"]).randomize().train()
    step = Step(network, torch.zeros(4, 3, 96, 96), second(options))
    step.enter(Phase(quantized=True))
    compiled = torch.compile(step.objective, backend="eager", fullgraph=True)
    image, level = torch.rand(2, 3, 64, 64), torch.tensor([1.0, 6.0])
    out = compiled(image, level)
    assert out.latents.shape == (2, 16, 4, 4)
    out.loss.backward()
    assert network.synthesis.conv.weight.grad.abs().sum() > 0
    assert network.analysis.conv.weight.grad is None
    assert all(p.grad is None for p in step.rival.parameters)
