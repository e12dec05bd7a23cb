"""Tiles, crops and the sampler."""

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image
from training_runs import picture

from mcm_fast.training import data


def test_tiles_come_from_tars_and_folders(shard, tmp_path, options):
    assert data.load(options).train.shape[1:] == (3, 96, 96)
    Image.fromarray(picture(1, 200, 300)).save(tmp_path / "large.png")
    Image.fromarray(picture(2, 50, 300)).save(tmp_path / "small.png")
    tiles = data.load(dataclasses.replace(options, data=(tmp_path,)))
    assert len(tiles.train) + len(tiles.held_out) in (6, 7)
    with pytest.raises(ValueError, match="fewer than a batch"):
        data.load(dataclasses.replace(options, data=(tmp_path,), tile=160))


@pytest.mark.parametrize("rows,columns,transpose", list(np.ndindex(2, 2, 2)))
def test_crop_is_one_gather_of_slices_and_flips(rows, columns, transpose):
    tiles = torch.randint(0, 256, (5, 3, 96, 96), dtype=torch.uint8)
    expected = tiles[3, :, 7 : 7 + 64, 9 : 9 + 64]
    # The look-up applies the flips first: seen from the slice the transposition comes first.
    expected = expected.transpose(1, 2) if transpose else expected
    expected = expected.flip(1) if rows else expected
    expected = expected.flip(2) if columns else expected
    geometry = torch.tensor([[3, 7, 9, rows, columns, transpose]])
    assert torch.equal(data.crop(tiles, geometry, 64)[0], expected.float() / 255)


def test_sampler_sees_every_tile_once_an_epoch_and_every_level(options):
    options = dataclasses.replace(options, batch=4)
    sampler = data.Sampler(options, tiles=12, levels=8)
    plans = [sampler(step) for step in range(300)]
    first = torch.cat([plan.geometry[:, 0] for plan in plans[:3]])
    assert sorted(first.tolist()) == list(range(12))
    levels = torch.cat([plan.level for plan in plans])
    assert levels.min() == 0 and levels.max() == 7
    assert ((levels == levels.round()).float().mean() - 0.3).abs() < 0.1
    assert torch.equal(sampler(7).geometry, data.Sampler(options, 12, 8)(7).geometry)


def test_ranks_share_an_epoch(options):
    samplers = [data.Sampler(options, tiles=8, levels=8, rank=r, world=2) for r in range(2)]
    seen = [s(step).geometry[:, 0] for s in samplers for step in range(2)]
    assert sorted(torch.cat(seen).tolist()) == list(range(8))


def test_levels_move_to_the_ends(options):
    counts = {}
    for ends in (0.0, 1.0):
        chosen = dataclasses.replace(options, batch=4, whole_levels=0.0, ends=ends)
        sampler = data.Sampler(chosen, tiles=12, levels=8)
        levels = torch.cat([sampler(step).level for step in range(500)])
        assert levels.min() == 0 and levels.max() == 7
        bins = levels.long().clamp(max=6).bincount(minlength=7)
        counts[ends] = bins.tolist()
    assert all(counts[1.0][end] > 1.3 * counts[0.0][end] for end in (0, 6))
    assert counts[1.0][3] < 0.8 * counts[0.0][3]
