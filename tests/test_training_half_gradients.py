"""bf16 gradients change no value, and are the fp32 gradients to within bf16."""

import copy
import dataclasses

import pytest
import torch
from training_runs import same, weights_after

from mcm_fast.network.model import Network
from mcm_fast.presets import CONFIGS
from mcm_fast.training import half_gradients


def test_values_are_equal_and_gradients_close():
    torch.manual_seed(0)
    exact = Network(CONFIGS["tiny"]).randomize().eval()
    rough = copy.deepcopy(exact)
    half_gradients.apply(rough)
    image, level = torch.rand(2, 3, 64, 64), torch.tensor([1.0, 6.5])
    outputs = [network(image, level) for network in (exact, rough)]
    assert torch.equal(outputs[0].image, outputs[1].image)
    assert torch.equal(outputs[0].y_bits, outputs[1].y_bits)
    for out in outputs:
        (out.image.square().mean() + out.y_bits.mean() / 1e4).backward()
    vectors = [
        torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None])
        for network in (exact, rough)
    ]
    assert not torch.equal(*vectors)
    assert torch.cosine_similarity(*vectors, dim=0) > 0.999


@pytest.mark.parametrize("parts", ["all", "synthesis"])
def test_a_run_with_them_goes_on_exactly(options, tmp_path, parts):
    options = dataclasses.replace(options, half_gradients=True, parts=parts)
    straight = weights_after(dataclasses.replace(options, out=tmp_path / "straight"))
    weights_after(dataclasses.replace(options, steps=3))
    resumed = weights_after(options, resume=True)
    assert same(straight.parameters, resumed.parameters)
