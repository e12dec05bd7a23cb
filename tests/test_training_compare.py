"""Runs compared by BD-rate on held-out crops."""

import pytest
import torch
from training_runs import TINY, picture, run

from mcm_fast.training import checkpoint
from mcm_fast.training.compare import compare, curve_of, parts_of

ANCHOR = {
    "bpp": [0.1, 0.15, 0.2, 0.3, 0.5, 0.8, 1.4, 2.0],
    "psnr": [27.0, 28.0, 29.0, 31.0, 33.0, 35.0, 37.0, 38.0],
}


def test_a_tenth_less_everywhere():
    test = {"bpp": [0.9 * rate for rate in ANCHOR["bpp"]], "psnr": ANCHOR["psnr"]}
    assert parts_of(ANCHOR, test) == pytest.approx([-10.0] * 4)


def test_a_part_that_was_won():
    """Only the highest rate is lower."""
    test = {"bpp": [*ANCHOR["bpp"][:-1], 1.9], "psnr": ANCHOR["psnr"]}
    everything, low, middle, high = parts_of(ANCHOR, test)
    assert low == pytest.approx(0) and middle == pytest.approx(0, abs=0.5)
    assert high < everything < 0


def test_a_part_that_is_not_reached():
    test = {name: values[:3] for name, values in ANCHOR.items()}
    assert parts_of(ANCHOR, test)[3] is None


def test_rounded_as_in_use(shard, tmp_path, capsys):
    """Weights against themselves are nothing; rates and pixels are those of a rounded network."""
    run("train", shard, "--steps", 4, "--warmup", 0, *TINY, "--out", tmp_path)
    weights = tmp_path / checkpoint.WEIGHTS
    compare(weights, [shard], [weights], crops=2, tile=64)
    assert "| +0.00 % | +0.00 % | +0.00 % |" in capsys.readouterr().out
    tiles = torch.from_numpy(picture(3, 64, 64).copy()).permute(2, 0, 1)[None]
    network = checkpoint.load_weights(weights)
    curve = curve_of(network, tiles)
    assert network.hard and network.context.quantized
    assert len(curve["bpp"]) == len(curve["psnr"]) == network.config.levels
    assert curve["bpp"] == sorted(curve["bpp"])
