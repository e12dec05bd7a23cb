"""A model gets a fast rendering, and nothing else of it changes."""

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from training_runs import picture

from mcm_fast import Codec, PixelDecoder, model_file
from mcm_fast.evaluation.metrics import psnr
from mcm_fast.exact.pixels.quantize import export_pixels
from mcm_fast.network.fast import FastSynthesis
from mcm_fast.presets import config_of
from mcm_fast.training.checkpoint import read_metadata
from mcm_fast.training.export import put_synthesis
from mcm_fast.training.fast import fast, pairs_of, windows
from mcm_fast.training.finish import save


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A tiny model's file without the rendering, and with."""
    folder, photos = tmp_path_factory.mktemp("fast"), tmp_path_factory.mktemp("photos")
    for seed in range(6):
        Image.fromarray(picture(seed, 256, 320)).save(photos / f"{seed}.png")
    paths = folder / "without.safetensors", folder / "with.safetensors"
    model_file.save(Codec.untrained("tiny").network, paths[0])
    fast(*paths, [photos], steps=60, batch=2, tile=128, synthetic=0.1)
    return paths


@pytest.fixture(scope="module")
def stream(trained):
    image = torch.from_numpy(picture(33, 60, 1300).copy()).permute(2, 0, 1)
    return Codec.from_file(trained[1]).compress(image, 90)


def test_the_rest_stays(trained):
    before, after = map(load_file, trained)
    added = after.keys() - before.keys()
    assert added == {f"rendering.fast.{n}" for n in FastSynthesis(config_of("tiny")).state_dict()}
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert read_metadata(trained[0]) == read_metadata(trained[1])


def test_a_run_is_no_model(trained, tmp_path):
    weights = tmp_path / "weights.safetensors"
    save(model_file.load(trained[0]).network, weights)
    with pytest.raises(ValueError, match="no model file"):
        fast(weights, tmp_path / "out.safetensors", [tmp_path])


def test_it_takes_the_place_of_another_of_its_name(trained, tmp_path):
    path = tmp_path / "both.safetensors"
    network = model_file.load(trained[0]).network
    put_synthesis(trained[0], network, path, "fast")
    network.synthesis = FastSynthesis(network.config)
    put_synthesis(path, network, path, "fast")
    assert type(model_file.load(path).renderings["fast"]) is FastSynthesis


def test_it_paints_what_the_faithful_one_does(trained, stream):
    """Nearer to it than the mean of its colours is, of a picture that was not trained on."""
    codec = Codec.from_file(trained[1])
    faithful, found = codec.decompress(stream), codec.decompress(stream, "fast")
    mean = faithful.float().mean((1, 2), keepdim=True).round().to(torch.uint8)
    assert psnr(faithful, found) > psnr(faithful, mean.expand_as(faithful)) + 3


def test_tiles_do_not_show(trained, stream):
    whole, tiled = (
        Codec.from_file(trained[1]).with_limits(tile_pixels=n) for n in (2**24, 96 * 96)
    )
    pictures = [codec.decompress(stream, "fast").int() for codec in (whole, tiled)]
    assert (pictures[0] - pictures[1]).abs().max() <= 1


def test_its_integers(trained, stream, tmp_path):
    """The decoder's file paints it, too."""
    network, integers, renderings, _ = model_file.load(trained[1])
    images = [torch.from_numpy(picture(n, 128, 128).copy()).permute(2, 0, 1) for n in range(4)]
    path = tmp_path / "tiny.decoder.safetensors"
    export_pixels(network, integers, renderings, images, path)
    floats = Codec.from_file(trained[1]).decompress(stream, "fast", exact=False)
    exact = torch.from_numpy(PixelDecoder(path).decompress(stream, "fast")).permute(2, 0, 1)
    assert psnr(floats, exact) > 45


def test_windows(trained):
    """Their pixels are the pairs'; all but the outer latents' count, and these too where the tile
    ends."""
    network = model_file.load(trained[0]).network
    tiles = torch.randint(0, 256, (2, 3, 256, 256), dtype=torch.uint8)
    pairs = pairs_of(network, tiles)
    assert len(pairs.level) == 4 and (pairs.level[:2] <= 3.5).all()
    inputs, painted, counts, _ = windows(pairs, 32)
    assert inputs.shape[2:] == (12, 12) and painted.shape[2:] == counts.shape[2:] == (192, 192)
    assert (counts[:, :, 16:-16, 16:-16] == 1).all()
    for row in range(32):
        at = [
            (n, y, x)
            for n in range(4)
            for y in range(5)
            for x in range(5)
            if torch.equal(pairs.inputs[n, :, y : y + 12, x : x + 12].float(), inputs[row])
        ]
        n, y, x = at[0]
        top, left = 16 * y, 16 * x
        assert torch.equal(
            painted[row], pairs.painted[n, :, top : top + 192, left : left + 192].float()
        )
        assert counts[row, 0, 0, 96] == (y == 0) and counts[row, 0, -1, 96] == (y == 4)
        assert counts[row, 0, 96, 0] == (x == 0) and counts[row, 0, 96, -1] == (x == 4)
