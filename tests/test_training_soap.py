"""SOAP: Adam in the eigenbases of gradients."""

import dataclasses

import pytest
import torch
from torch import nn
from training_runs import same, weights_after

from mcm_fast.training import checkpoint
from mcm_fast.training.loop import Trainer
from mcm_fast.training.soap import Soap


def run(optimizer, p, loss, steps):
    for _ in range(steps):
        optimizer.zero_grad()
        value = loss(p)
        value.backward()
        optimizer.step()
    return value.item()


def test_what_has_no_bases_moves_as_with_adam():
    """A bias, and a table of few rows; beta 1 and 2 as torch's Adam has them."""
    for shape in ((40,), (8, 40)):
        torch.manual_seed(0)
        target = torch.randn(shape)
        p, q = (nn.Parameter(torch.zeros(shape)) for _ in range(2))
        adam = torch.optim.Adam([q], 1e-2, betas=(0.9, 0.99))
        soap = Soap([p], torch.tensor(1e-2), betas=(0.9, 0.99))
        for optimizer, x in ((soap, p), (adam, q)):
            run(optimizer, x, lambda x: (x - target).pow(4).sum(), 20)  # noqa: B023
        assert torch.allclose(p, q, atol=1e-6)


@pytest.mark.parametrize("half", [False, True])
def test_valleys_that_lie_across_the_axes_are_no_hindrance(half):
    """A quadratic with slopes of 1 to 1000 along turned axes: Adam crawls where SOAP walks."""
    torch.manual_seed(0)
    left, right = (torch.linalg.qr(torch.randn(32, 32))[0] for _ in range(2))
    steep = torch.logspace(0, 1.5, 32)
    target = 0.3 * torch.randn(32, 32)

    def loss(x):
        return (steep[:, None] * (left @ (x - target) @ right) * steep).square().mean()

    def ends(make):
        p = nn.Parameter(torch.zeros(32, 32))
        return run(make(p), p, loss, 400)

    adam = ends(lambda p: torch.optim.Adam([p], 1e-2))
    soap = ends(lambda p: Soap([p], torch.tensor(1e-2), half=half))
    assert soap < 0.2 * adam


def test_a_step_is_scaled_and_skipped_as_asked():
    torch.manual_seed(0)
    p, q = (nn.Parameter(torch.zeros(16, 16, 3, 3)) for _ in range(2))
    first, second = (Soap([x], torch.tensor(0.1)) for x in (p, q))
    second.grad_scale = torch.tensor(8.0)
    for _ in range(3):
        p.grad = torch.randn(p.shape)
        q.grad = 8 * p.grad
        first.step()
        second.step()
    assert p.abs().max() > 0 and torch.allclose(p, q, atol=1e-6)
    before = p.detach().clone()
    first.found_inf = torch.tensor(1.0)
    p.grad = torch.full(p.shape, torch.nan)
    first.step()
    assert torch.equal(p, before)


def test_the_memory_format_changes_nothing():
    torch.manual_seed(0)
    p = nn.Parameter(torch.randn(16, 24, 3, 3))
    q = nn.Parameter(p.detach().clone(memory_format=torch.channels_last))
    for x in (p, q):
        torch.manual_seed(1)
        soap = Soap([x], torch.tensor(1e-2))
        for _ in range(12):
            gradient = torch.randn(x.shape)
            x.grad = gradient.contiguous(memory_format=torch.channels_last) if x is q else gradient
            soap.step()
    assert torch.allclose(p, q, atol=1e-5)


def test_a_run_with_soap_goes_on_exactly(options, tmp_path):
    """12 steps are 6 + 6, with new bases at the tenth."""
    options = dataclasses.replace(options, optimizer="soap", steps=12)
    straight = weights_after(dataclasses.replace(options, out=tmp_path / "straight"))
    weights_after(dataclasses.replace(options, steps=6))
    resumed = weights_after(options, resume=True)
    assert same(straight.parameters, resumed.parameters)
    assert any("gram_out" in resumed.optimizer.state[p] for p in resumed.parameters)


def test_soap_takes_no_moments_of_adam(options, tmp_path):
    weights_after(options)
    other = dataclasses.replace(options, optimizer="soap", out=tmp_path / "b")
    step = Trainer(other, init_from=tmp_path / checkpoint.WEIGHTS).step
    assert not any(step.optimizer.state[p]["exp_avg"].any() for p in step.parameters)


def test_an_unknown_optimizer_is_refused(options):
    with pytest.raises(ValueError, match="sgd.*adam, soap"):
        dataclasses.replace(options, optimizer="sgd")
