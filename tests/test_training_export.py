"""From a run to a model file, and a whole training from scratch."""

import csv
import dataclasses
import os

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from training_runs import TINY, picture, run, weights_after

from mcm_fast import Codec, model_file
from mcm_fast.cli.main import main
from mcm_fast.images import read_image
from mcm_fast.network.fast import FastSynthesis
from mcm_fast.network.model import Network
from mcm_fast.presets import CONFIGS
from mcm_fast.training import checkpoint
from mcm_fast.training.config import Options
from mcm_fast.training.export import put_synthesis
from mcm_fast.training.loop import Trainer


def test_a_rendering_joins_its_model(options, model, shard, tmp_path):
    path = tmp_path / "both.safetensors"
    step2 = "--gan", 0.001, "--steps", 2, "--warmup", 0, "--init-from", model, "--export", path
    run("train", shard, "--out", tmp_path / "b", *TINY, *step2)
    before, after = load_file(model), load_file(path)
    added = after.keys() - before.keys()
    assert all(name.startswith("rendering.perceptual.") for name in added)
    assert len(added) == len(Network(CONFIGS["tiny"]).synthesis.state_dict())
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert model_file.load(path).integers.id == model_file.load(model).integers.id


def test_a_synthesis_replaces_the_models_own(options, model, tmp_path):
    weights_after(dataclasses.replace(options, parts="synthesis", steps=2), init_from=model)
    weights, path = options.out / checkpoint.WEIGHTS, tmp_path / "better.safetensors"
    run("export", weights, path, "--into", model, "--rendering", "faithful", "--blend", 0.25)
    before, after, trained = load_file(model), load_file(path), load_file(weights)
    assert before.keys() == after.keys()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved and all(name.startswith("network.synthesis.") for name in moved)
    for name in moved:
        ends = before[name].float(), trained[name.removeprefix("network.")]
        assert torch.equal(after[name], torch.lerp(*ends, 0.25).half())
    assert model_file.load(path).integers.id == model_file.load(model).integers.id


@pytest.mark.parametrize("how", [{"blend": 0.5}, {"rendering": "faithful"}], ids=str)
def test_a_fast_synthesis_takes_no_others_place(model, tmp_path, how):
    network = model_file.load(model).network
    network.synthesis = FastSynthesis(network.config)
    with pytest.raises(ValueError, match="of its own"):
        put_synthesis(model, network, tmp_path / "both.safetensors", **how)


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


@pytest.mark.slow
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


def test_a_trained_model_is_used(shard, tmp_path):
    """What `train --export` wrote compresses and decompresses, by its path."""
    model, out = tmp_path / "mine.safetensors", tmp_path / "run"
    run("train", shard, "--steps", 2, *TINY, "--out", out, "--export", model)
    Image.fromarray(picture(5)).save(tmp_path / "photo.png")
    names = [tmp_path / name for name in ("photo.png", "photo.mcm", "again.png")]
    run("compress", *names[:2], "--model", model)
    run("decompress", *names[1:], "--model", model)
    assert read_image(names[2])[0].shape == read_image(names[0])[0].shape
    assert main(["decompress", str(names[1]), str(names[2]), "--force"]) == 2
