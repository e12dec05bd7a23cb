"""Where the search begins when a map of importance says that parts of an image count less."""

import pytest
import torch
from conftest import noise
from skimage import data

import mcm_fast
from mcm_fast.effort.start import _coarser, levels_of, start
from mcm_fast.evaluation.metrics import psnr


def test_levels_of_a_map(codec):
    """Lambda times the weight is the lambda of the level, as far as there are levels."""
    config = codec.network.config
    top = float(config.levels - 1)
    weight = config.lmbda(top - 1.5) / config.lmbda(top)
    flat = torch.ones(40, 50)
    assert torch.allclose(levels_of(config, weight * flat, top), (top - 1.5) * flat, atol=1e-4)
    assert torch.equal(levels_of(config, 7 * flat, 2.5), 2.5 * flat)
    assert torch.equal(levels_of(config, 0 * flat, top), 0 * flat)
    half = torch.ones(40, 150)
    half[:, :100] = weight
    own = levels_of(config, half, top)
    assert (own.diff(dim=1) > -1e-5).all() and own[0, 0] < own[0, 80] < own[0, 99]
    assert (own[:, 100:] == top).all()


@pytest.mark.parametrize("own", [0.0, 1.0, 1.25, 1.5])
def test_coarser_picture(codec, own):
    """At a whole level the picture decoded there, at the image's own level the image, and between
    two of them a mixture."""
    image, level = noise(40, 56), 1.5
    top = codec.network.config.levels - 1
    found = _coarser(codec, image, torch.full((40, 56), own), level)
    exact = image.float() / 255

    def decoded(at: float) -> torch.Tensor:
        latents = codec.analysis(image, 100 * at / top)
        return codec.synthesis(latents, exact=False).float() / 255

    wanted = {0.0: decoded(0), 1.0: decoded(1), 1.25: (decoded(1) + exact) / 2, 1.5: exact}
    assert torch.allclose(found, wanted[own], atol=1e-6)


@pytest.mark.parametrize("shape", [(40, 72), (72, 40)])
def test_start_follows_the_map(codec, shape):
    """Nothing moves far from where the map is below 1, and latents there move; portraits, too."""
    image = noise(*shape).repeat(1, 4, 4)
    latents = codec.analysis(image, 90)
    level = 0.9 * (codec.network.config.levels - 1)
    weights = torch.ones(image.shape[1:])
    plain = start(codec, image, latents, None, level)
    assert all(map(torch.equal, plain, start(codec, image, latents, weights, level)))
    weights[:32, :32] = 0.05
    coded = weights.transpose(0, 1) if latents.transposed else weights
    y, _ = start(codec, image, latents, coded, level)
    moved = (y - plain[0]).abs().amax(1)[0]
    assert moved[0, 0] > 0.05 and moved[-1, -1] < 0.01


@pytest.mark.slow
def test_box_gains_a_decibel():
    """Weight 0.1 around a box, at equal bytes, on a photograph."""
    image = torch.from_numpy(data.astronaut().copy()).permute(2, 0, 1)[:, :256, 64:320]
    codec = mcm_fast.load("small")
    weights = torch.full(image.shape[1:], 0.1)
    weights[64:192, 64:192] = 1
    plain = codec.compress(image, 50, effort=3)
    bpp = 8 * len(plain) / weights.numel()
    mapped = codec.compress(image, target_bpp=bpp, effort=3, importance=weights)
    assert len(mapped) <= 1.01 * len(plain)
    crops = [t[:, 64:192, 64:192] for t in (image, *map(codec.decompress, (plain, mapped)))]
    assert psnr(crops[0], crops[2]) >= psnr(crops[0], crops[1]) + 1.0
