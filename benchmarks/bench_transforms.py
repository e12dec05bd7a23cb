"""Where the time of one image goes: analysis, encode, decode, synthesis; and a pixel's share at
two sizes.

`small` with its weights on a smooth picture with noise, which costs about what a photograph does.
"""

import functools

import pytest
import torch
import torch.nn.functional as F
from timing import median

import mcm_fast

QUALITY = 50
SIZES = {"768x512": (512, 768), "3840x2048": (2048, 3840)}
TITLE = "small with its weights, one image, 2 threads, nanoseconds a pixel"


@functools.cache
def road(size: str):
    """The codec, an image, its latents as decoded, and its stream."""
    codec, (height, width) = mcm_fast.load("small"), SIZES[size]
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, height // 16, width // 16, generator=generator)
    image = F.interpolate(coarse, size=(height, width), mode="bicubic")[0]
    image += 0.03 * torch.randn(image.shape, generator=generator)
    image = (255 * image.clamp(0, 1)).to(torch.uint8)
    latents = codec.analysis(image, QUALITY)
    stream = codec.encode(latents)
    decoded = codec.decode(stream)
    assert decoded == latents
    return codec, image, decoded, stream


def verbs(size: str):
    codec, image, latents, stream = road(size)
    return {
        "analysis": lambda: codec.analysis(image, QUALITY),
        "encode": lambda: codec.encode(latents),
        "decode": lambda: codec.decode(stream),
        "synthesis": lambda: codec.synthesis(latents, exact=False),
    }


@pytest.mark.parametrize("size", SIZES)
def test_breakdown(size, report, threads):
    pixels = road(size)[1][0].numel()
    cells = {verb: f"{1e9 * median(run, 5) / pixels:.0f}" for verb, run in verbs(size).items()}
    report(TITLE, {"size": size, "bpp": f"{8 * len(road(size)[3]) / pixels:.2f}", **cells})


@pytest.mark.parametrize("verb", ["analysis", "encode", "decode", "synthesis"])
def bench_verb(benchmark, verb):
    benchmark(verbs("768x512")[verb])
