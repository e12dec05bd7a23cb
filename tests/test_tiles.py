"""Tiles give what the whole image gives: they cover it, see far enough, and keep the right part."""

import pytest
import torch
from conftest import noise
from hypothesis import given, settings
from hypothesis import strategies as st

from mcm_fast import Codec
from mcm_fast.network.fast import FastSynthesis
from mcm_fast.network.transforms import at_once
from mcm_fast.presets import CONFIGS, config_of
from mcm_fast.transforms import run as transforms
from mcm_fast.transforms.tiles import analysis_reach, cover, stage_reach, synthesis_reach

SIZES = st.integers(1, 200)


@settings(max_examples=200, deadline=None)
@given(SIZES, SIZES, st.integers(1, 5000), st.integers(2, 20))
def test_every_latent_is_kept_once_with_all_that_it_sees(height, width, area, reach):
    count = torch.zeros(height, width, dtype=torch.int64)
    for rows, columns in cover(height, width, area, reach):
        count[rows.kept(), columns.kept()] += 1
        for span, length in ((rows, height), (columns, width)):
            assert span.start % 2 == 0 and (span.end % 2 == 0 or span.end == length)
            assert span.start <= max(0, span.first - reach)
            assert span.end >= min(length, span.last + reach)
            assert len(range(length)[span.seen()]) == span.end - span.start
            inner = range(length)[span.seen()][span.inner()]
            assert inner == range(length)[span.kept()]
    assert (count == 1).all()


@given(SIZES, SIZES, st.integers(1, 5000))
def test_tiles_see_about_the_area(height, width, area):
    tiles = cover(height, width, area, reach=4)
    seen = [(r.end - r.start) * (c.end - c.start) for r, c in tiles]
    assert max(seen) <= 1.2 * max(area, 16**2)  # never less than 4 reaches wide; even sides
    assert height * width > area or len(tiles) == 1


def spread(network: torch.nn.Module) -> torch.nn.Module:
    """New blocks are the identity: give their last layers weights, so that all of them see."""
    generator = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        if not parameter.any():
            parameter.data = 0.1 * torch.randn(parameter.shape, generator=generator)
    return network


@pytest.fixture(scope="module")
def codec() -> Codec:
    codec = Codec.untrained("tiny", seed=0)
    spread(codec.network.analysis), spread(codec.network.synthesis)
    return codec


def reached_from(transform, shape: tuple[int, ...], at: int) -> tuple[int, int]:
    """The first and the last column of the output that input column `at` reaches: a NaN gets
    wherever it can."""
    x = torch.zeros(shape)
    x[..., 0, at] = torch.nan
    reached = transform(x).isnan().any(2).flatten(0, 1).any(0).nonzero()
    return int(reached.min()), int(reached.max())


def beyond_pairs(at: int, first: int, last: int) -> int:
    """How far latent `at` lies beyond the pair of latent `first`, or before that of `last`."""
    return max(at - (first | 1), (last & ~1) - at)


@pytest.mark.parametrize("preset", CONFIGS)
def test_reach_is_what_the_networks_see(preset):
    """Exactly what they see, from the worst place: tiles overlap enough, and no more."""
    config = config_of(preset)
    network = spread(Codec.untrained(preset).network)
    shape, found = (1, 3, 32, 16 * 30), []
    for at in range(16 * 14, 16 * 16):
        columns = reached_from(network.analysis, shape, at)
        found.append(beyond_pairs(at // 16, *columns))
    assert max(found) == analysis_reach(config)

    shape, found = (1, config.latent, 2, 40), []
    side = torch.zeros(1, config.hyper_widths[2], 2, 40)
    for at in (20, 21):
        columns = reached_from(lambda y: network.synthesis(y, side), shape, at)
        found.append(beyond_pairs(at, *(column // 16 for column in columns)))
    assert max(found) == synthesis_reach(config)


@pytest.mark.parametrize("preset", CONFIGS)
def test_a_fast_synthesis_sees_no_further_than_its_tiles(preset):
    config = config_of(preset)
    fast = spread(FastSynthesis(config)).eval()
    y = torch.randn(1, config.latent, 4, 40)
    side = torch.randn(1, config.hyper_widths[2], 4, 40)
    rows, columns = transforms.Span(0, 4, 0, 4), transforms.Span(0, 40, 18, 22)
    narrowing = transforms.Narrowing(at_once, config, rows, columns)
    with torch.no_grad():
        part, whole = narrowing.inner(fast(y, side, narrowing)), fast(y, side)
    assert part.shape[3] == 4 * 16
    assert torch.allclose(part, whole[..., 18 * 16 : 22 * 16], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [(700, 900), (900, 333), (20, 1500), (1500, 20)], ids=str)
def test_tiled_transforms_equal_whole_ones(codec, size):
    """Within the rounding of floats; on most machines to the last bit."""
    tiled, image = codec.with_limits(tile_pixels=2**15), noise(*size)
    whole, parts = codec._features(image), tiled._features(image)
    assert torch.allclose(parts[0], whole[0], rtol=1e-4, atol=1e-5) and parts[1:] == whole[1:]
    latents = codec.analysis(image, 60)
    difference = codec.synthesis(latents).int() - tiled.synthesis(latents).int()
    assert difference.abs().max() <= 1
    assert (difference != 0).float().mean() < 1e-3


@pytest.mark.parametrize("size", [(256, 400), (416, 208)], ids=str)
def test_stages_in_pieces_equal_whole_ones(codec, size, monkeypatch):
    image = noise(*size)
    latents, features = codec.analysis(image, 60), codec._features(image)[0]
    whole = codec.synthesis(latents)
    pieces = []
    monkeypatch.setattr(transforms, "PIECE", 2**12)
    monkeypatch.setattr(
        transforms, "cover", lambda *a: pieces.append(len(found := cover(*a))) or found
    )
    assert torch.allclose(codec._features(image)[0], features, rtol=1e-4, atol=1e-5)
    difference = codec.synthesis(latents).int() - whole.int()
    assert difference.abs().max() <= 1 and (difference != 0).float().mean() < 1e-3
    assert sum(n > 1 for n in pieces) >= 4  # of six stages; the last are small


@pytest.mark.parametrize("preset", CONFIGS)
def test_stage_reach_is_what_a_stage_sees(preset):
    """Exactly, in both directions: of each stage, at its own resolution."""
    config = config_of(preset)
    network = spread(Codec.untrained(preset).network)
    for module in (*network.analysis.stages, *network.synthesis.stages):
        down, factor = module in list(network.analysis.stages), module.factor
        before, after = (factor, 1) if down else (1, factor)
        shape, found = (1, module_inputs(module, down), 2 * before, 40 * before), []
        for at in range(20 * before, 22 * before):
            columns = reached_from(module, shape, at)
            found.append(beyond_pairs(at // before, *(column // after for column in columns)))
        assert max(found) == stage_reach(len(module.blocks), config, down)


def module_inputs(module, down: bool) -> int:
    return module.conv.in_channels // module.factor**2 if down else module.conv.in_channels


def test_a_tile_too_narrow_would_show(codec):
    """The comparison above can fail: one that sees less than it must gives other features."""
    image = noise(64, 896).float() / 255
    pixels = torch.stack([image[..., 320:608], image[..., 320:608]])[:1]
    part = codec.network.analysis(pixels)[..., 2:-2]
    whole = codec.network.analysis(image[None])[..., 22:36]
    assert not torch.allclose(part, whole, rtol=1e-4, atol=1e-5)


def test_the_road_in_tiles(codec):
    tiled, image = codec.with_limits(tile_pixels=2**15), noise(500, 300)
    stream = tiled.compress(image, 30)
    latents = tiled.decode(stream)
    changed = (latents.y != codec.analysis(image, 30).y).float().mean()
    assert changed < 1e-3  # a latent between two integers may be rounded the other way
    difference = tiled.decompress(stream).int() - codec.decompress(stream).int()
    assert difference.abs().max() <= 1


@pytest.mark.parametrize("preset", CONFIGS)
def test_margins_are_what_stages_see(preset):
    """Of a box, painted with no more than the margins of each stage: as in the whole image."""
    if preset == "base":
        pytest.skip("the paper's scale is slow on a CPU")
    codec = Codec.untrained(preset, seed=0)
    spread(codec.network.synthesis)
    stream = codec.compress(noise(420, 1100), 30, tiles=256)
    whole = codec.decompress(stream).int()
    for left, top, right, bottom in ((430, 130, 600, 301), (0, 400, 31, 420), (1000, 0, 1100, 90)):
        part = codec.decompress(stream, box=(left, top, right, bottom)).int()
        assert (part - whole[:, top:bottom, left:right]).abs().max() <= 1


def test_margins_that_are_too_narrow_would_show(codec, monkeypatch):
    stream = codec.compress(noise(420, 1100), 30)
    whole = codec.decompress(stream).int()[:, 130:301, 430:600]
    monkeypatch.setattr(transforms, "synthesis_margins", lambda config: [0] * len(config.stages))
    part = codec.decompress(stream, box=(430, 130, 600, 301)).int()
    assert (part - whole).abs().max() > 1
