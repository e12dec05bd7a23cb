"""Coded latents to pixels without torch: the reference's, the box's crop, the model's id."""

import numpy as np
import pytest
import torch
from pixel_lists import tiny_rendering

from mcm_fast.errors import BitstreamError
from mcm_fast.exact.engines import make_engine
from mcm_fast.exact.pixels.decoder import CodedArrays, PixelDecoder
from mcm_fast.exact.pixels.reference import render
from mcm_fast.exact.quantize import export

WIDTH, HEIGHT, QUALITY = 75, 44, 6100


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A decoder, its model, its rendering and latents' sample."""
    path = tmp_path_factory.mktemp("decoder") / "tiny.decoder.safetensors"
    network, rendering, _ = tiny_rendering(path)
    return PixelDecoder(path, threads=2), export(network), rendering


def coded(integers, transposed: bool):
    """Latents of an image of WIDTH x HEIGHT: as a stream holds them, and drawn by the reference."""
    size = (5, 3) if transposed else (3, 5)
    generator = torch.Generator().manual_seed(3)
    y, z = (
        (3 * torch.randn(shape, generator=generator)).round().to(torch.int16)
        for shape in (
            (integers.y_channels, *size),
            (integers.z_channels, *(-(-n // 4) for n in size)),
        )
    )
    [(found, parameters)] = make_engine(integers, None, torch.device("cpu")).encode(
        [(y, z, QUALITY)]
    )
    exceptions = found.exception_indexes.numpy(), found.exception_differences.numpy()
    arrays = CodedArrays(found.lanes, found.groups, *exceptions, found.segments)
    return arrays, (y, parameters.mu, parameters.indexes, parameters.hyper)


def test_id(tiny):
    decoder, integers, _ = tiny
    assert decoder.id == integers.id


@pytest.mark.parametrize("transposed", [False, True])
def test_decode(tiny, transposed):
    decoder, integers, rendering = tiny
    arrays, latents = coded(integers, transposed)
    image = render(rendering, *latents, QUALITY)
    image = (image.transpose(1, 2) if transposed else image).permute(1, 2, 0).numpy()
    decoded = decoder.latents(arrays, *latents[0].shape[1:], QUALITY)
    assert all(np.array_equal(a, b) for a, b in zip(decoded, latents, strict=True))
    header = decoded, WIDTH, HEIGHT, QUALITY, transposed
    whole = decoder.draw(*header)
    assert whole.shape == (HEIGHT, WIDTH, 3)
    assert np.array_equal(whole, image[:HEIGHT, :WIDTH])
    for box in ((0, 0, 1, 1), (3, 40, 75, 44), (74, 0, 75, 44), (17, 5, 60, 41)):
        left, top, right, bottom = box
        assert np.array_equal(decoder.draw(*header, box=box), whole[top:bottom, left:right])


def test_refused(tiny):
    decoder, integers, _ = tiny
    arrays, _ = coded(integers, False)
    header = decoder.latents(arrays, 3, 5, QUALITY), WIDTH, HEIGHT, QUALITY, False
    for box in ((0, 0, 76, 44), (0, 0, 75, 45), (-1, 0, 3, 3), (5, 5, 5, 6)):
        with pytest.raises(ValueError, match="box"):
            decoder.draw(*header, box=box)
    with pytest.raises(ValueError, match="faithful"):
        decoder.draw(*header, rendering="other")
    for size in ((500, 44), (64, 44), (44, 75)):
        with pytest.raises(ValueError, match="not those of"):
            decoder.draw(header[0], *size, QUALITY, False)
    cut = arrays._replace(segments=[segment[:-2] for segment in arrays.segments])
    with pytest.raises(BitstreamError):
        decoder.latents(cut, 3, 5, QUALITY)
