"""The parts of the bracket reach both transforms."""

import dataclasses

import numpy as np
import pytest
import torch
from test_lpips import _write_random
from training_runs import picture

from mcm_fast.network.model import Network
from mcm_fast.presets import CONFIGS
from mcm_fast.training import pca
from mcm_fast.training.losses import STATISTICS, Objective


@pytest.fixture
def lpips(tmp_path):
    """A folder with a random backbone: enough for gradients."""
    folder = tmp_path / "lpips"
    folder.mkdir()
    _write_random(folder, "squeeze")
    return folder


def test_lpips_and_ms_ssim_reach_analysis_and_synthesis(options, lpips):
    pytest.importorskip("pytorch_msssim")
    names = dict(alpha=0.01, beta=0.01, lpips=lpips, crop=192, tile=192)
    network = Network(CONFIGS["tiny"]).train()
    objective = Objective(network, dataclasses.replace(options, **names))
    smooth = torch.from_numpy(np.stack([picture(s, 192, 192) for s in range(2)]))
    image, level = smooth.permute(0, 3, 1, 2).float() / 255, torch.tensor([2.0, 6.5])
    pca.initialise(network, image)
    decoded = network(image, level).image
    assert objective._distortions(image, decoded, None).keys() == {"mse", "lpips"}
    objective.structural = True  # after warm-up
    parts = objective._distortions(image, decoded, None)
    for name in ("lpips", "msssim"):
        assert parts[name].shape == (2,) and (parts[name] > 0).all()
        sides = [network.analysis.conv.weight, network.synthesis.conv.weight]
        for gradient in torch.autograd.grad(parts[name].sum(), sides, retain_graph=True):
            assert gradient.isfinite().all() and gradient.abs().sum() > 0
    with_all = objective(image, level)
    assert with_all.statistics[:, STATISTICS.index("lpips")].sum() > 0 and with_all.latents is None


@pytest.fixture
def seen():
    """A tiny network that codes something, two pairs of crops, and their levels."""
    network = Network(CONFIGS["tiny"]).randomize().train()
    network.quantize()
    smooth = torch.from_numpy(np.stack([picture(s, 64, 64) for s in range(4)]))
    image = smooth.permute(0, 3, 1, 2).float() / 255
    pca.initialise(network, image)
    return network, image, torch.tensor([6.5, 0.0, 2.0, 3.5])


def loss_of(objective, image, level):
    """With the same noise each time."""
    torch.manual_seed(0)
    return objective(image, level).loss


def test_the_price_of_moving_latents_reaches_both_transforms(options, seen):
    network, image, level = seen
    objective = Objective(network, dataclasses.replace(options, inverse=1.0))
    moved = objective._moved(network(image, level), level)
    assert moved[0] > 0 and (moved[1:] == 0).all()  # the quarter at the highest levels
    sides = [network.analysis.conv.weight, network.synthesis.conv.weight]
    for gradient in torch.autograd.grad(moved.sum(), sides):
        assert gradient.isfinite().all() and gradient.abs().sum() > 0
    assert objective(image, level).statistics[7, STATISTICS.index("inverse")] == moved[0]


def test_latents_that_stay_cost_nothing(options, seen, monkeypatch):
    """An analysis that gives back what was decoded, and then just more than it may move."""
    network, image, level = seen
    objective = Objective(network, dataclasses.replace(options, inverse=1.0))
    out = network(image, level)
    monkeypatch.setattr(network.gain, "forward", lambda features, level: out.y_hat[:1] + 0.25)
    assert objective._moved(out, level).sum() == 0
    monkeypatch.setattr(network.gain, "forward", lambda features, level: out.y_hat[:1] - 0.75)
    assert objective._moved(out, level).sum().item() == pytest.approx(0.25)


def test_the_ends_of_the_range_count_more(options, seen):
    network, image, _ = seen
    costs = {}
    for weight in (0.0, 0.5):
        objective = Objective(network, dataclasses.replace(options, ends_weight=weight))
        for level in (0.0, 3.5, 7.0):
            costs[weight, level] = loss_of(objective, image, torch.full((4,), level)).item()
    ratios = [costs[0.5, level] / costs[0.0, level] for level in (0.0, 3.5, 7.0)]
    assert ratios == pytest.approx([1.5, 1.0, 1.5], rel=1e-5)


def test_a_cost_above_the_cap_counts_by_its_logarithm(options, seen):
    """Line art costs ten times what a photograph does, and would be all of the gradient."""
    network, image, level = seen
    plain = loss_of(Objective(network, options), image[:1], level[:1])
    for share, grows in ((2.0, 1.0), (0.25, 0.25)):
        cap = plain.item() * share
        objective = Objective(network, dataclasses.replace(options, cap=cap))
        capped = loss_of(objective, image[:1], level[:1])
        value = plain.item() if share > 1 else cap * (1 + np.log(plain.item() / cap))
        assert capped.item() == pytest.approx(value, rel=1e-5)
        slopes = [
            torch.autograd.grad(loss, network.synthesis.conv.bias)[0]
            for loss in (loss_of(Objective(network, options), image[:1], level[:1]), capped)
        ]
        assert torch.allclose(slopes[1], grows * slopes[0], rtol=1e-4, atol=1e-8)
