"""The transforms in half precision, as a GPU has them: on the CPU, slow but the same code."""

import copy

import numpy as np
import pytest
import torch
from conftest import ON_DEVICE, noise
from PIL import Image

import mcm_fast
from mcm_fast import Codec
from mcm_fast.evaluation.metrics import psnr
from mcm_fast.transforms.weights import halve

pytestmark = ON_DEVICE
TOLERANCE = 0.02  # dB


def halved(codec: Codec) -> Codec:
    """The codec with transforms in half precision."""
    other = copy.copy(codec)
    other.network, other.renderings = copy.deepcopy((codec.network, codec.renderings))
    for transform in (other.network.analysis, *other.renderings.values()):
        halve(transform, fused=False)
    return other


@pytest.fixture(scope="module")
def codecs() -> tuple[Codec, Codec]:
    codec = mcm_fast.load("small")
    return codec, halved(codec)


@pytest.fixture(scope="module")
def photograph(kodak) -> torch.Tensor:
    """A part of a photograph: fine detail, edges, sky."""
    pixels = np.asarray(Image.open(kodak[18]).convert("RGB"))
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[:, 100:356, 100:420]


@pytest.mark.parametrize("quality", [0, 50, 100])
def test_synthesis_keeps_the_psnr(codecs, photograph, quality):
    codec, half = codecs
    latents = codec.analysis(photograph, quality)
    images = [each.synthesis(latents, exact=False) for each in (codec, half)]
    assert not torch.equal(*images)  # it is half precision
    assert abs(psnr(images[0], photograph) - psnr(images[1], photograph)) < TOLERANCE


@pytest.mark.parametrize("quality", [0, 100])
def test_the_road_keeps_rate_and_psnr(codecs, photograph, quality):
    """Its analysis rounds some latents differently: another stream of the same quality."""
    codec, half = codecs
    expected, found = codec.compress(photograph, quality), half.compress(photograph, quality)
    assert abs(len(found) - len(expected)) <= 4 + 0.003 * len(expected)  # words are two bytes
    images = codec.decompress(expected, exact=False), half.decompress(found, exact=False)
    assert abs(psnr(images[0], photograph) - psnr(images[1], photograph)) < TOLERANCE


@pytest.mark.parametrize("image", [noise(64, 64), noise(64, 64) // 128 * 255], ids=["noise", "cut"])
def test_nothing_overflows(codecs, image):
    codec, half = codecs
    latents = codec.analysis(image, 100)
    assert (half._features(image)[0] - codec._features(image)[0]).abs().max() < 0.05
    images = [each.synthesis(latents, exact=False).int() for each in (half, codec)]
    assert (images[0] - images[1]).abs().max() <= 4
