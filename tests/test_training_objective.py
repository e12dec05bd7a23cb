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
