"""Exact pixels of the shipped model on photographs: the twins agree, and lose little."""

import numpy as np
import pytest
import torch

import mcm_fast
from mcm_fast import presets
from mcm_fast.evaluation.metrics import psnr
from mcm_fast.exact.extension import extension
from mcm_fast.exact.pixels.cpu import CpuRenderer
from mcm_fast.exact.pixels.cuda import CudaRenderer
from mcm_fast.exact.pixels.decoder_file import load_decoder
from mcm_fast.exact.pixels.reference import render
from mcm_fast.images import read_image

QUALITIES = 10, 50, 90


@pytest.fixture(scope="module")
def codec():
    return mcm_fast.load("small")


@pytest.fixture(scope="module")
def rendering():
    """The faithful one, as it is shipped."""
    return load_decoder(presets.WEIGHTS / "small.decoder.safetensors").renderings["faithful"]


def check(codec, rendering, image: torch.Tensor, levels) -> None:
    """At three qualities: every twin's pixels, and at most 0.03 dB below the floats'."""
    for quality in QUALITIES:
        latents = codec.decode(codec.compress(image, quality))
        found = latents.parameters
        tensors = latents.y, found.mu, found.indexes, found.hyper
        expected = render(rendering, *tensors, latents.quality_steps).permute(1, 2, 0).numpy()
        drawn = CudaRenderer(rendering, "cpu").render(*tensors, latents.quality_steps)
        assert np.array_equal(drawn.permute(1, 2, 0).numpy(), expected), quality
        arrays = [tensor.numpy() for tensor in tensors]
        before = extension().simd()
        try:
            for level in levels:
                extension().use_simd(level)
                for threads in (1, 2):
                    pixels = CpuRenderer(rendering, threads).render(*arrays, latents.quality_steps)
                    assert np.array_equal(pixels, expected), (quality, level, threads)
        finally:
            extension().use_simd(before)
        exact = torch.from_numpy(expected).permute(2, 0, 1)
        exact = exact.transpose(1, 2) if latents.transposed else exact
        exact = exact[:, : image.shape[1], : image.shape[2]]
        loss = psnr(codec.synthesis(latents, exact=False), image) - psnr(exact, image)
        assert loss <= 0.03, (quality, loss)


@pytest.mark.parametrize("number", [5, 13, 23])
def test_pieces(codec, rendering, kodak, number):
    image, _ = read_image(kodak[number - 1])
    check(codec, rendering, image[:, 100:300, 200:450], extension().simd_names()[1:])


@pytest.mark.slow
@pytest.mark.parametrize("number", range(1, 25))
def test_whole(codec, rendering, kodak, number):
    check(codec, rendering, read_image(kodak[number - 1])[0], extension().simd_names())
