"""Exact pixels: the twins agree to the bit, on a network's list and on one of no network."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from pixel_lists import latents_for, odd_rendering, tiny_preview, tiny_rendering

from mcm_fast.exact.extension import extension
from mcm_fast.exact.pixels.calibrate import latents_in, y_in
from mcm_fast.exact.pixels.cpu import CpuRenderer
from mcm_fast.exact.pixels.decoder_file import load_decoder
from mcm_fast.exact.pixels.layers import Layer
from mcm_fast.exact.pixels.reference import render
from mcm_fast.exact.pixels.rendering import Rendering
from mcm_fast.exact.pixels.tables import exp2_table, means_table, sigmoid_table
from mcm_fast.exact.pixels.trace import tensors_of, trace_preview, trace_synthesis
from mcm_fast.limits import SCALES
from mcm_fast.network.preview import REACH

LEVELS = extension().simd_names()
SIZES = [(1, 1), (1, 4), (5, 1), (7, 9), (4, 26)]
SPREADS = [1.0, 20.0, 20000.0]


@pytest.fixture(autouse=True)
def restored_level():
    before = extension().simd()
    yield
    extension().use_simd(before)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("pixels") / "tiny.decoder.safetensors"


@pytest.fixture(scope="module")
def tiny(path):
    return tiny_rendering(path)


@pytest.fixture(scope="module", params=["faithful", "preview8", "preview16", "odd"])
def rendering(request, tiny, path):
    name = request.param
    return odd_rendering() if name == "odd" else load_decoder(path, [name]).renderings[name]


def reference(rendering, arrays, quality: int) -> np.ndarray:
    found = render(rendering, *map(torch.from_numpy, arrays), quality)
    return found.permute(1, 2, 0).numpy()


@pytest.mark.parametrize("spread", SPREADS)
@pytest.mark.parametrize("size", SIZES)
def test_render(rendering, size, spread):
    """reference, every level of instructions, threads, and bands of rows."""
    arrays, quality = latents_for(rendering, *size, spread)
    expected = reference(rendering, arrays, quality)
    assert expected.std() > 5  # neither black nor white
    for level in LEVELS:
        extension().use_simd(level)
        for threads, band in ((1, 8), (2, 1), (2, 3), (1, 1000)):
            found = CpuRenderer(rendering, threads).render(*arrays, quality, band=band)
            assert np.array_equal(found, expected), (level, threads, band)


@pytest.mark.parametrize("quality", [0, 1, 5000, 9999, 10000])
def test_quality(rendering, quality):
    arrays, _ = latents_for(rendering, 3, 2, 3.0)
    expected = reference(rendering, arrays, quality)
    assert np.array_equal(CpuRenderer(rendering).render(*arrays, quality), expected)


def test_a_tensor_that_nothing_reads():
    odd = odd_rendering()
    for operand in ("gate", "add"):
        odd.tensors["layers"][6, Layer._fields.index(operand)] = -1
    unread = Rendering(odd.tensors)
    arrays, quality = latents_for(unread, 5, 6, 9.0)
    expected = reference(unread, arrays, quality)
    for band in (1, 2, 8):
        found = CpuRenderer(unread, 2).render(*arrays, quality, band=band)
        assert np.array_equal(found, expected), band


def test_more_threads_than_work(tiny):
    arrays, quality = latents_for(tiny[1], 17, 40, 5.0)
    expected = CpuRenderer(tiny[1], 1).render(*arrays, quality)
    for threads in (2, 3, 16):
        assert np.array_equal(CpuRenderer(tiny[1], threads).render(*arrays, quality), expected)


@pytest.mark.parametrize("seed", range(8))
def test_box_is_the_crop(rendering, seed):
    """Though only the latents that it depends on are looked at."""
    height, width = 33, 47
    arrays, quality = latents_for(rendering, height, width, 8.0)
    renderer, block = CpuRenderer(rendering, 2), rendering.block
    whole = renderer.render(*arrays, quality)
    rng = np.random.default_rng(seed)
    top, bottom = sorted(rng.choice(height * block + 1, 2, replace=False).tolist())
    left = int(rng.integers(0, width * block))
    right = min(left + int(rng.integers(1, 4 * block)), width * block)
    found = renderer.render(*arrays, quality, box=(top, left, bottom, right))
    assert np.array_equal(found, whole[top:bottom, left:right])


def test_box_sees_few_latents(tiny):
    renderer = CpuRenderer(tiny[1])
    top, left, bottom, right = renderer.seen(1000, 1000, (16 * 64, 0, 16 * 65, 16))
    assert 64 - 20 < top < 64 and 65 < bottom < 66 + 20
    assert left == 0 and 1 < right < 2 + 20


def test_transposed(rendering):
    arrays, quality = latents_for(rendering, 3, 5, 8.0)
    renderer, block = CpuRenderer(rendering), rendering.block
    for box in (None, (1, 2, 2 * block + 1, 4 * block - 1)):
        upright = renderer.render(*arrays, quality, box=box)
        found = renderer.render(*arrays, quality, box=box, transposed=True)
        assert np.array_equal(found, upright.transpose(1, 0, 2))


def test_integers_are_near_the_floats(tiny):
    """On images the scales were chosen by: within three levels, half a level on average."""
    network, rendering, samples = tiny
    layers = trace_synthesis(network.synthesis)
    for sample in samples:
        parameters = sample.parameters
        latents = sample.y, parameters.mu, parameters.indexes, parameters.hyper
        found = render(rendering, *latents, sample.quality).double()
        *_, image = tensors_of(layers, latents_in(network, sample))
        difference = found - image[0].round().clamp(0, 255)
        assert difference.abs().max() <= 3 and difference.abs().mean() <= 0.5, sample.quality


def test_previews_see_y_alone(tiny, path):
    """So that whoever draws them need not know mu and indexes."""
    assert not tiny[1].sees_y_alone
    for scale, block in ((8, 2), (16, 1)):
        preview = load_decoder(path).renderings[f"preview{scale}"]
        assert preview.sees_y_alone and preview.block == block
        assert preview.alignment == 1
        box = 9 * block, 9 * block, 10 * block, 10 * block
        seen = CpuRenderer(preview).seen(20, 20, box)
        assert seen == (9 - REACH, 9 - REACH, 10 + REACH, 10 + REACH)
        arrays, quality = latents_for(preview, 5, 7, 5.0)
        y, mu, indexes, hyper = arrays
        assert hyper.shape == (0, 5, 7)
        expected = CpuRenderer(preview).render(*arrays, quality)
        found = CpuRenderer(preview).render(y, 0 * mu, 0 * indexes, hyper, quality)
        assert np.array_equal(found, expected)


@pytest.mark.parametrize("scale", SCALES)
def test_previews_are_near_the_floats(tiny, path, scale):
    """Their lists compute what the head does, and their integers lie within two levels of it."""
    network, _, samples = tiny
    head, rendering = tiny_preview(), load_decoder(path).renderings[f"preview{scale}"]
    for sample in samples:
        y = y_in(network, sample)
        *_, image = tensors_of(trace_preview(head, scale), y)
        torch.testing.assert_close(image / 255, head(y, scale), rtol=0, atol=1e-4)
        empty = torch.empty(0, *y.shape[2:], dtype=torch.int8)
        said = sample.parameters.mu, sample.parameters.indexes, empty
        difference = render(rendering, sample.y, *said, sample.quality) - image[0].clamp(0, 255)
        assert difference.abs().max() <= 2, sample.quality


def test_trace_is_the_network(tiny):
    """The list computes what the network does."""
    network, _, samples = tiny
    for sample in samples[:2]:
        latents = latents_in(network, sample)
        *_, image = tensors_of(trace_synthesis(network.synthesis), latents)
        y, side = latents.tensor_split([network.config.latent], 1)
        torch.testing.assert_close(image / 255, network.synthesis(y, side), rtol=0, atol=1e-4)


def test_tables():
    """Odd symmetry is the format's; what the tables hold is the functions they are named for."""
    sigmoid, exp2, means = sigmoid_table(), exp2_table(), means_table()
    assert sigmoid[2048] == 2**14 and sigmoid[0] < 16 and sigmoid[-1] > 32700
    assert exp2[0] == 65542 and exp2[-1] == 131061 and (np.diff(exp2) > 0).all()
    assert (means[:, 0] == 0).all() and means.min() == -512 and means.max() == 0


def test_arguments(tiny):
    arrays, quality = latents_for(tiny[1], 2, 3, 1.0)
    renderer = CpuRenderer(tiny[1])
    for box in ((0, 0, 0, 1), (0, 0, 33, 1), (-1, 0, 1, 1), (0, 47, 1, 49)):
        with pytest.raises(ValueError, match="within"):
            renderer.render(*arrays, quality, box=box)
    for quality in (-1, 10001):
        with pytest.raises(ValueError, match="quality"):
            renderer.render(*arrays, quality)
    with pytest.raises(ValueError, match="threads"):
        CpuRenderer(tiny[1], 0)
    with pytest.raises(ValueError, match="rows"):
        renderer.render(*arrays, 0, band=0)
    for i in range(4):
        for wrong in (arrays[i][:-1], arrays[i].astype(np.int64), arrays[i][:, :1]):
            with pytest.raises(ValueError):
                renderer.render(*arrays[:i], wrong, *arrays[i + 1 :], 0)
    high = arrays[2].copy()
    high[0, 0, 0] = 48
    with pytest.raises(ValueError, match="index"):
        renderer.render(*arrays[:2], high, arrays[3], 0)


def test_without_torch(tiny, tmp_path_factory):
    """A decoder's file is read and drawn from without torch."""
    path = next(tmp_path_factory.getbasetemp().glob("pixels*/tiny.decoder.safetensors"))
    code = f"""
import sys
import numpy as np
from mcm_fast.exact.pixels.cpu import CpuRenderer
from mcm_fast.exact.pixels.decoder_file import load_decoder
rendering = load_decoder({str(path)!r}).renderings["faithful"]
y = np.zeros((rendering.y_channels, 2, 3), np.int16)
hyper = np.zeros((rendering.hyper_channels, 2, 3), np.int8)
image = CpuRenderer(rendering).render(y, y, y.astype(np.uint8), hyper, 5000)
assert image.shape == (32, 48, 3)
assert not {{"torch", "PIL"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    assert load_decoder(path).renderings["faithful"].id == tiny[1].id
