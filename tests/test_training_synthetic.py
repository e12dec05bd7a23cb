"""Pictures made by a generator: always the same, each of its kind."""

import dataclasses

import numpy as np
import pytest
import torch

from mcm_fast.training import data, synthetic

_CASES = (synthetic.text, synthetic.lines, synthetic.screen, synthetic.flat, synthetic.gradient)
_SIZE = 96


def pictures(kind, count=12):
    rng = np.random.default_rng(5)
    return [np.asarray(kind(rng, _SIZE)) for _ in range(count)]


def colors(picture):
    return len(np.unique(picture.reshape(-1, 3), axis=0))


@pytest.mark.parametrize("kind", _CASES, ids=lambda kind: kind.__name__)
def test_a_kind_is_repeatable_and_varied(kind):
    first = pictures(kind)
    assert all(p.shape == (_SIZE, _SIZE, 3) and p.dtype == np.uint8 for p in first)
    assert np.array_equal(first, pictures(kind))
    assert len({p.tobytes() for p in first}) == len(first)


def test_kinds_are_what_they_are_called():
    assert all(colors(p) <= 5 for p in pictures(synthetic.flat))
    assert all(colors(p) <= 2 for p in pictures(synthetic.lines))  # neither is antialiased
    smooth = np.abs(np.diff(np.array(pictures(synthetic.gradient), np.int16), axis=1))
    assert smooth.max() <= 8
    pages = np.array(pictures(synthetic.text, 40))
    white = (pages == 255).all(-1)
    black = (pages == 0).all(-1)
    assert ((white.mean((1, 2)) > 0.5) & (black.mean((1, 2)) > 0.01)).mean() > 0.3


def test_every_seventh_is_a_gray_photograph():
    photographs = torch.randint(0, 256, (3, 3, 64, 64), dtype=torch.uint8)
    made = synthetic.tiles(photographs, 14, seed=1)
    assert made.shape == (14, 3, 64, 64)
    for picture in made[[6, 13]]:
        assert torch.equal(picture[0], picture[1]) and torch.equal(picture[0], picture[2])
        luma = torch.einsum("nchw,c->nhw", photographs.float(), torch.from_numpy(synthetic._GRAY))
        assert (luma - picture[0]).abs().amax((1, 2)).min() <= 0.51
    assert torch.equal(made, synthetic.tiles(photographs, 14, seed=1))
    assert not torch.equal(made, synthetic.tiles(photographs, 14, seed=2))


def test_tiles_hold_the_share_that_was_asked_for(options):
    photographs = data.load(options).train
    mixed = data.load(dataclasses.replace(options, synthetic=0.5)).train
    assert torch.equal(mixed[: len(photographs)], photographs)
    assert len(mixed) == 2 * len(photographs)
