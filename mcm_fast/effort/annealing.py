"""Gradient steps on latents: stochastic Gumbel annealing (Yang, Bamler and Mandt, NeurIPS 2020).

In place of a latent v = floor(v) + r the decoder sees a random mixture of the two whole numbers
beside it, which becomes rounding as the temperature t falls:

    v~ = floor(v) + sigmoid(((atanh(r) - atanh(1 - r)) / t + noise / 2) / t)     noise: logistic

Half the noise of the paper gains more, and no noise much less (docs/effort.md). The steps are
Adam's (Kingma and Ba, 2015), except that a latent's second moment is at least twice its channel's
mean. Where a latent's slopes are small beside its channel's, as at a zero that ought to stay one,
Adam would blow them up to whole steps, and few steps would make an image worse.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .budget import Budget
from .goal import Goal
from .surrogate import Surrogate

_EDGE = 1e-4  # how near to 0 and 1 a remainder is taken: atanh has poles there
_NOISE = 0.5
_MEMORY = 0.8, 0.999  # of Adam's moments
_FLOOR = 2.0  # of the second moment, in means of its channel
_NO_SLOPE = 1e-6  # bits: the squares of much smaller slopes are zero in floating point
_LAYOUT = torch.channels_last


def soften(v: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
    """v (N, C, h, w) -> a sample of its soft rounding, with a slope."""
    floor = v.detach().floor()
    r = (v - floor).clamp(_EDGE, 1 - _EDGE)
    shape = v.shape[0], *v.shape[2:], v.shape[1]
    uniform = torch.rand(shape, generator=generator, device=v.device, dtype=v.dtype)
    # Half the difference of two Gumbel variables, in v's memory format.
    noise = _NOISE * torch.logit(uniform, eps=1e-6).permute(0, 3, 1, 2)
    odds = (torch.atanh(r) - torch.atanh(1 - r)) / temperature
    return floor + torch.sigmoid((odds + noise) / temperature)


class Descent:
    """Adam with a floor under the second moment. Moves its tensors in place."""

    def __init__(self, tensors: list[Tensor]):
        self.tensors, self.steps = tensors, 0
        self.first = [torch.zeros_like(t) for t in tensors]
        self.second = [torch.zeros_like(t) for t in tensors]

    def step(self, slopes: tuple[Tensor, ...], rate: float) -> None:
        self.steps += 1
        short, long = _MEMORY
        for tensor, slope, first, second in zip(
            self.tensors, slopes, self.first, self.second, strict=True
        ):
            first.lerp_(slope, 1 - short)
            second.mul_(long).addcmul_(slope, slope, value=1 - long)
            floor = _FLOOR * second.mean((2, 3), keepdim=True)
            norm = torch.maximum(second, floor).sqrt_()
            norm.clamp_(min=_NO_SLOPE)
            scale = (1 - long**self.steps) ** 0.5 / (1 - short**self.steps)
            tensor.addcdiv_(first, norm, value=-rate * scale)


def anneal(
    surrogate: Surrogate,
    goal: Goal,
    y: Tensor,
    z: Tensor,
    free: tuple[Tensor, Tensor] | None,
    budget: Budget,
    generator: torch.Generator,
    progress: Callable[[], None],
) -> tuple[Tensor, Tensor]:
    """y (1, M, h, w) and z of floats -> better ones, rounded.

    `free`: where y and z may move, bool (1, 1, h, w) each; elsewhere they are whole numbers and
    stay. `progress` is called after each step.
    """
    start = y, z
    values = [t.detach().clone(memory_format=_LAYOUT) for t in start]
    descent = Descent(values)
    for step in range(budget.steps):
        leaves = [t.detach().requires_grad_() for t in values]
        samples = [soften(t, budget.temperature(step), generator) for t in leaves]
        if free is not None:
            samples = [torch.where(m, s, t) for m, s, t in zip(free, samples, start, strict=True)]
        cost = goal.pixels * goal.cost(*surrogate(*samples))  # in bits
        descent.step(torch.autograd.grad(cost, leaves), budget.rate(step))
        progress()
    y, z = ((t + 0.5).floor() for t in values)
    return y, z
