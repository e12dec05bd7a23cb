"""Parts of an image in tiles: what engines compute for them is that of the whole."""

import numpy as np
import pytest
import torch
from test_engines import RUNNERS, assert_same_parameters, engine_of, latents_like

from mcm_fast import BitstreamError
from mcm_fast.exact.engine import Parameters
from mcm_fast.exact.reference import ReferenceEngine

SIZE, QUALITY = (37, 41), 6000
CONTEXTS, HYPER = 3, 7  # how far they see, in latents


def engines(codec, runner):
    return engine_of(codec.integers, runner), ReferenceEngine(codec.integers)


def some_parts(length: int, rng: np.random.Generator) -> list[slice]:
    cuts = [sorted(rng.choice(length + 1, 2, replace=False).tolist()) for _ in range(4)]
    return [slice(0, 1), slice(length - 1, length), *(slice(*cut) for cut in cuts)]


def noise_beyond(planes: torch.Tensor, part, reach: int, block: int) -> torch.Tensor:
    """The planes, and something else where positions of `block` latents are beyond `reach`."""
    other = torch.full_like(planes, -31)
    first = [max(0, (side.start - reach) // block) for side in part]
    last = [-(-(side.stop + reach) // block) for side in part]
    inner = slice(first[0], last[0]), slice(first[1], last[1])
    other[:, inner[0], inner[1]] = planes[:, inner[0], inner[1]]
    return other


@pytest.mark.parametrize("runner", [*RUNNERS, "reference"])
def test_parameters_of_a_part(codec, runner):
    """They are the crop of all, whatever lies beyond what the entropy model sees."""
    y, z = latents_like(codec, *SIZE, 9.0)
    reference = ReferenceEngine(codec.integers)
    engine = reference if runner == "reference" else engine_of(codec.integers, runner)
    whole, rng = reference.parameters(y, z, QUALITY), np.random.default_rng(0)
    parts = list(zip(some_parts(SIZE[0], rng), some_parts(SIZE[1], rng), strict=True))
    for part in parts if engine is not reference else parts[:1]:
        rows, columns = part
        planes = (each[:, rows, columns] for each in (whole.mu, whole.indexes, whole.hyper))
        beyond = noise_beyond(y, part, CONTEXTS, 1), noise_beyond(z, part, HYPER, 4)
        assert_same_parameters(engine.parameters(*beyond, QUALITY, part), Parameters(*planes))


@pytest.mark.parametrize("runner", RUNNERS)
def test_parts_that_do_not_lie_within(codec, runner):
    if runner == "cuda":
        pytest.skip("slices are cut as Python cuts them")
    y, z = latents_like(codec, 5, 6, 3.0)
    engine = engine_of(codec.integers, runner)
    for part in ((slice(0, 6), slice(0, 6)), (slice(2, 2), slice(0, 6)), (slice(-1, 2), slice(1))):
        with pytest.raises((ValueError, TypeError)):
            engine.parameters(y, z, QUALITY, part)


@pytest.mark.parametrize("part", [None, (slice(0, 1), slice(0, 1))])
@pytest.mark.parametrize("runner", RUNNERS)
def test_latents_of_another_shape(codec, runner, part):
    y, z = latents_like(codec, 5, 6, 3.0)
    engine = engine_of(codec.integers, runner)
    for planes in ((y[0], z), (y[0, 0], z), (y, z[0]), (y[:, :0], z)):
        with pytest.raises(ValueError):
            engine.parameters(*planes, QUALITY, part)


@pytest.mark.parametrize("spread", [0.3, 9.0, 3000.0])
@pytest.mark.parametrize("runner", [*RUNNERS, "reference"])
def test_first_rows(codec, runner, spread):
    y, z = latents_like(codec, 11, 26, spread)
    reference = ReferenceEngine(codec.integers)
    engine = reference if runner == "reference" else engine_of(codec.integers, runner)
    fast = engine_of(codec.integers, 1)
    [(coded, _)] = fast.encode([(y, z, QUALITY)])
    rows = [0, 1, 2, 5, 10, 11]
    items = [(coded, 11, 26, QUALITY)] * len(rows)
    for count, (y_hat, z_hat) in zip(rows, engine.decode_rows(items, rows), strict=True):
        assert torch.equal(z_hat.cpu(), z) and y_hat.shape == y.shape
        assert torch.equal(y_hat[:, :count].cpu(), y[:, :count]), count


@pytest.mark.parametrize("runner", RUNNERS)
def test_damaged_first_rows(codec, runner):
    """A tile spoils only itself, and of a whole tile the end is looked at."""
    y, z = latents_like(codec, 11, 26, 9.0)
    engine = engine_of(codec.integers, runner)
    [(coded, _)] = engine.encode([(y, z, QUALITY)])
    segments = [segment + b"\0\0" for segment in coded.segments]
    longer = type(coded)(
        coded.lanes,
        coded.groups,
        coded.exception_indexes,
        coded.exception_differences,
        segments,
    )
    items = [(longer, 11, 26, QUALITY), (coded, 11, 26, QUALITY)]
    damaged, good = engine.decode_rows(items, [11, 11])
    assert isinstance(damaged, BitstreamError)
    assert torch.equal(good[0].cpu(), y)
