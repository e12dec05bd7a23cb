"""The entropy model trained alone, and a new context model for a finished model."""

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from training_runs import picture

from mcm_fast import Codec, model_file
from mcm_fast.exact.model import IntegerModel
from mcm_fast.network.model import Network
from mcm_fast.network.preview import Preview
from mcm_fast.presets import config_of
from mcm_fast.training import finish, pca
from mcm_fast.training.checkpoint import load_weights
from mcm_fast.training.deal import deal, dealt
from mcm_fast.training.export import export, put_preview, put_synthesis
from mcm_fast.training.new_context import new_context, started

TINY = config_of("tiny")


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for seed in range(10):
        Image.fromarray(picture(seed, 64, 64)).save(folder / f"{seed}.png")
    return folder


@pytest.fixture
def crops():
    return torch.from_numpy(picture(1, 128, 192).copy()).permute(2, 0, 1)[None].float() / 255


@pytest.fixture
def network(crops):
    """One whose latents differ from channel to channel."""
    network = Network(TINY)
    pca.initialise(network, crops)
    return network.eval().requires_grad_(False)


def test_every_slice_gets_its_share():
    """The order is one of all channels; slice k starts with channel k."""
    order = dealt(TINY)
    assert order.sort().values.tolist() == list(range(TINY.latent))
    per_slice = order.view(TINY.slices, -1)
    assert per_slice[:, 0].tolist() == list(range(TINY.slices))
    assert (per_slice.diff(dim=1) == TINY.slices).all()


def test_dealing_changes_no_transform(network, crops):
    """The same latents in another order, the same z, and the same picture."""
    features, level, order = network.analysis(crops), torch.tensor([5.3]), dealt(TINY)
    new = deal(network, dataclasses.replace(TINY, context=(8, 4, 4), hidden=12)).eval()
    assert torch.allclose(new.analysis(crops), features[:, order], atol=1e-6)
    y, z = network.latents(features, level)
    new_y, new_z = new.latents(features[:, order], level)
    assert torch.equal(new_y, y[:, order]) and torch.equal(new_z, z)
    assert y.abs().sum() > 0
    side = torch.rand(1, TINY.hyper_widths[2], *y.shape[2:])
    shown = network.synthesis(network.inverse_gain(y, level), side)
    assert torch.allclose(new.synthesis(new.inverse_gain(new_y, level), side), shown, atol=1e-5)


def test_a_new_context_model_knows_how_wide_channels_are(network, crops):
    """Its first rate is far below that of one whose distributions are all alike."""
    features, level = network.analysis(crops)[:, dealt(TINY)], torch.tensor([5.0])
    new = started(network, features)
    blind = deal(network, TINY).eval()
    bits = [n.entropy(features, level).y_bits for n in (new, blind)]
    assert bits[0] < 0.8 * bits[1]


def test_the_price_of_an_error_is_what_it_does_to_pixels(network, crops):
    """Of small errors of one channel, by the pixels' squares that they move."""
    torch.manual_seed(1)
    features, level = network.analysis(crops).expand(8, -1, -1, -1), torch.full((8,), 4.0)
    price = finish.price_of_errors(network, features)
    assert price.shape == (TINY.levels, TINY.latent)
    y, z = network.latents(features, level)
    hyper = network.hyper_synthesis(z, level)
    shown = network.synthesis(network.inverse_gain(y, level), hyper)
    for channel in (0, 3):
        error = torch.zeros_like(y)
        error[:, channel] = 0.01 * torch.randn_like(y[:, channel])
        moved = network.synthesis(network.inverse_gain(y + error, level), hyper) - shown
        found = TINY.lmbda(4.0) / 3 * moved.square().sum() / error.square().sum()
        assert abs(found / price[4, channel] - 1) < 0.2


@pytest.fixture
def model(network, tmp_path):
    """A model's file with a rendering and previews."""
    path = tmp_path / "model.safetensors"
    model_file.save(network, path, compact=True)
    network.synthesis.conv.weight.normal_(0, 0.1)
    put_synthesis(path, network, path, "crisp")
    put_preview(path, Preview(TINY), path)
    return path


def test_a_model_gets_a_new_context_model(model, photos, tmp_path):
    """Fewer bytes; pictures, renderings and previews are the same but for what mu and sigma say."""
    out, before = tmp_path / "out.safetensors", load_file(model)
    new_context(model, out, [photos], steps=60, batch=4, tile=64, images=4)
    after = load_file(out)
    assert IntegerModel(after, TINY.slices).id != IntegerModel(before, TINY.slices).id
    assert before.keys() == after.keys()
    for name in before:
        if name.startswith("hyper."):
            assert torch.equal(before[name], after[name]), name
    image = torch.from_numpy(picture(3, 64, 64).copy()).permute(2, 0, 1)
    old, new = Codec.from_file(model), Codec.from_file(out)
    streams = old.compress(image, 50), new.compress(image, 50)
    assert len(streams[1]) < len(streams[0])
    order, shown = dealt(TINY), []
    latents = old.decode(streams[0]), new.decode(streams[1])
    assert torch.equal(latents[0].y[order], latents[1].y)
    assert torch.equal(latents[0].z, latents[1].z)
    for name in ("faithful", "crisp"):
        shown = [c.decompress(s, name).int() for c, s in zip((old, new), streams, strict=True)]
        assert (shown[0] - shown[1]).abs().float().mean() < 4, name
    assert torch.equal(
        *(c.decompress(s, scale=8) for c, s in zip((old, new), streams, strict=True))
    )


def test_a_stopped_run_goes_on(model, photos, tmp_path):
    """From its state: nothing is left to do."""
    state, logs = tmp_path / "state.pt", []
    for name in ("a", "b"):
        out = tmp_path / f"{name}.safetensors"
        new_context(model, out, [photos], steps=3, batch=2, tile=64, images=2, state=state)
        logs.append(load_file(out))
    assert all(torch.equal(logs[0][name], logs[1][name]) for name in logs[0])


def test_a_runs_weights_get_one_and_go_on_with_it(network, photos, tmp_path):
    """Weights in, weights out; with `keep` the order stays, and what has been learned."""
    paths = [tmp_path / f"{name}.safetensors" for name in ("first", "second", "third")]
    finish.save(network, paths[0])
    options = {"batch": 4, "tile": 64}
    new_context(paths[0], paths[1], [photos], steps=40, **options)
    new_context(paths[1], paths[2], [photos], steps=40, keep=True, **options)
    first, second, third = (load_weights(path).eval() for path in paths)
    order = dealt(TINY)
    for new in (second, third):
        assert torch.equal(new.analysis.conv.weight, first.analysis.conv.weight[order])
    assert not torch.equal(second.context.head_weight, third.context.head_weight)
    seen = torch.from_numpy(np.stack([picture(seed, 64, 64) for seed in range(10)]))
    seen, level = seen.permute(0, 3, 1, 2).float() / 255, torch.full((10,), 5.0)
    bits = [n.entropy(n.analysis(seen), level).y_bits.sum() for n in (second, third)]
    assert bits[1] < bits[0]


def test_what_finish_leaves(network, photos, tmp_path):
    weights = tmp_path / "weights.safetensors"
    finish.save(network, weights)
    finish.finish(weights, tmp_path / "out", [photos], steps=4, batch=2, tile=64)
    for name in ("float", "equalized", "weights"):
        after = load_weights(tmp_path / "out" / f"{name}.safetensors")
        assert torch.equal(after.gain.log_gain, network.gain.log_gain)
        assert torch.equal(after.analysis.conv.weight, network.analysis.conv.weight)
        assert not torch.equal(after.context.head_weight, network.context.head_weight)
    path = tmp_path / "finished.safetensors"
    export(tmp_path / "out" / "equalized.safetensors", path)
    codec, image = Codec.from_file(path), torch.from_numpy(picture(20).copy()).permute(2, 0, 1)
    assert codec.decompress(codec.compress(image)).shape == image.shape
