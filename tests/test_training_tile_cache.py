"""Decoded tiles are kept, and made anew where anything about them changes."""

import dataclasses
import os

import pytest
import torch
from training_runs import same

from mcm_fast.training import data, tile_cache


@pytest.fixture
def cached(options, tmp_path):
    return dataclasses.replace(options, cache=tmp_path / "cache", synthetic=0.25)


def test_tiles_are_decoded_once(cached, monkeypatch):
    first = tile_cache.load(cached)
    assert same(first, data.load(cached))
    monkeypatch.setattr(data, "load", lambda options: pytest.fail("decoded again"))
    second = tile_cache.load(cached)
    assert same(first, second)
    second.train.zero_()  # a map's copy: the file stays as it is
    assert same(first, tile_cache.load(cached))


def test_other_options_and_other_files_are_other_tiles(cached, shard):
    count = len(tile_cache.load(cached).train)
    assert len(tile_cache.load(dataclasses.replace(cached, synthetic=0.5)).train) > count
    assert tile_cache.load(dataclasses.replace(cached, tile=64)).train.shape[-1] == 64
    stat = shard.stat()
    os.utime(shard, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    tile_cache.load(cached)
    assert len(list(cached.cache.glob("*-train.npy"))) == 4


def test_without_a_cache_nothing_is_written(options, tmp_path):
    assert torch.equal(tile_cache.load(options).train, data.load(options).train)
    assert not (tmp_path / "cache").exists()
