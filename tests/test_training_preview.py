"""A model gets its previews, and nothing else of it changes."""

import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file, save_file
from training_runs import picture

from mcm_fast import Codec, model_file
from mcm_fast.limits import SCALES
from mcm_fast.network.preview import Preview
from mcm_fast.presets import config_of
from mcm_fast.training.checkpoint import read_metadata
from mcm_fast.training.preview import preview


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A tiny model's file without previews, and with."""
    folder, photos = tmp_path_factory.mktemp("previews"), tmp_path_factory.mktemp("photos")
    for seed in range(6):
        Image.fromarray(picture(seed, 256, 320)).save(photos / f"{seed}.png")
    paths = folder / "without.safetensors", folder / "with.safetensors"
    model_file.save(Codec.untrained("tiny").network, paths[0])
    preview(*paths, [photos], steps=100, batch=8, tile=64)
    return paths


def test_the_rest_stays(trained):
    before, after = map(load_file, trained)
    added = after.keys() - before.keys()
    assert added == {f"preview.{name}" for name in Preview(config_of("tiny")).state_dict()}
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert read_metadata(trained[0]) == read_metadata(trained[1])
    assert model_file.load(trained[0]).preview is None


def test_it_looks_like_the_image(trained):
    """Of a picture that it was not trained on, better than the mean colour.
    (A random analysis leaves little of a picture.)"""
    codec = Codec.from_file(trained[1])
    image = torch.from_numpy(picture(77, 128, 192).copy()).permute(2, 0, 1)
    latents = codec.analysis(image, 100)
    level = torch.full((1,), codec.network.config.levels - 1.0)
    y = codec.network.inverse_gain(latents.y[None].float(), level)
    assert codec.preview is not None
    for scale in SCALES:
        wanted = F.avg_pool2d(image.float() / 255, scale)
        found = codec.preview(y, scale)[0]
        assert found.shape == wanted.shape
        spread = (wanted - wanted.mean((1, 2), keepdim=True)).square().mean()
        assert (found - wanted).square().mean() < 0.6 * spread, scale


def test_a_run_is_no_model(tmp_path, shard, trained):
    weights = tmp_path / "weights.safetensors"
    network = Codec.untrained("tiny").network
    config = {"config": network.config.to_json()}
    save_file({k: t.contiguous() for k, t in network.state_dict().items()}, weights, config)
    with pytest.raises(ValueError, match="no model file"):
        preview(weights, tmp_path / "with.safetensors", [shard], steps=1, batch=4, tile=64)
    assert not (tmp_path / "with.safetensors").exists()


@pytest.mark.parametrize("name", ["last.weight", "gdn.gamma"])
def test_another_heads_weights_are_refused(trained, tmp_path, name):
    tensors, path = load_file(trained[1]), tmp_path / "bad.safetensors"
    tensors[f"preview.{name}"] = tensors[f"preview.{name}"][:-1].clone()
    save_file(tensors, path, read_metadata(trained[1]))
    with pytest.raises(ValueError, match=name):
        model_file.load(path)
