"""The decoder's file of `small` that the package ships."""

import numpy as np
import pytest
import torch
from safetensors import safe_open

import mcm_fast
from mcm_fast import PixelDecoder, presets
from mcm_fast.evaluation.metrics import psnr
from mcm_fast.exact.pixels.decoder_file import load_decoder
from mcm_fast.images import read_image

PATH = presets.WEIGHTS / "small.decoder.safetensors"


def test_integers_of_small():
    """Of the model that compresses, and nothing else in at most 32 MB."""
    assert PATH.stat().st_size < 32 * 2**20
    decoder = PixelDecoder(PATH)
    assert decoder.id == mcm_fast.models()["small"]
    assert set(decoder.renderings) >= {"faithful", "fast", "balanced", "perceptual"}
    with safe_open(PATH, "np") as file:
        kinds = {file.get_slice(name).get_dtype() for name in file.keys()}
    assert all(kind.startswith("I") for kind in kinds), kinds


def test_every_rendering_is_what_the_file_says():
    stated = PixelDecoder(PATH).renderings
    found = load_decoder(PATH).renderings
    assert stated == {name: found[name].id.hex() for name in stated}


@pytest.mark.parametrize("rendering", ["faithful", "fast", "balanced", "perceptual"])
@pytest.mark.parametrize("quality", [10, 50, 90])
def test_it_loses_little(kodak, rendering, quality):
    """Against floating point, of three pieces of Kodak: at most 0.03 dB in the mean."""
    codec, losses = mcm_fast.load("small"), []
    for number in (4, 12, 22):
        image = read_image(kodak[number])[0][:, 128:384, 192:576]
        stream = codec.compress(image, quality)
        exact = codec.decompress(stream, rendering)
        array = mcm_fast.imread(stream, rendering=rendering)
        assert np.array_equal(array, exact.permute(1, 2, 0))
        floats = codec.decompress(stream, rendering, exact=False)
        assert not torch.equal(exact, floats)
        losses.append(psnr(floats, image) - psnr(exact, image))
    assert sum(losses) / 3 <= 0.03, losses
