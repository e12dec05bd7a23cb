"""The conditional distribution of a latent: a Gaussian (mu, sigma) over bins of width 1.

sigma comes from a ladder of INDEXES values in geometric progression. mu counts in sixteenths, of
which a wide sigma uses fewer: `mu_shift` low bits are rounded away (FORMAT.md, section 4).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .level_affine import round_through

INDEXES = 48
SIGMA_MIN, SIGMA_MAX = 0.1, 64.0
_RATIO = math.log(SIGMA_MAX / SIGMA_MIN) / (INDEXES - 1)
MU_STEPS = 16
_TAIL = 2.0**-12  # weight of a wide logistic: what an escape costs, and a slope far outside


def sigma_of(index: Tensor) -> Tensor:
    """The standard deviation at a (fractional) index."""
    return SIGMA_MIN * torch.exp(_RATIO * index.clamp(0, INDEXES - 1))


def mu_shift(index: Tensor) -> Tensor:
    """How many low bits of mu (in sixteenths) the tables of an index leave out, 0 .. 4.

    A step of mu is then about a quarter of sigma at most, which costs under 0.004 bits a symbol.
    """
    return torch.log2(sigma_of(index) * (MU_STEPS / 4)).round().clamp(0, 4)


def index_of(sigma: float | Tensor) -> Tensor:
    """The inverse of `sigma_of`."""
    return torch.log(torch.as_tensor(sigma) / SIGMA_MIN) / _RATIO


def fake_quantize(mu: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    """mu and index as the tables know them, with the gradient of the identity."""
    index = round_through(index.clamp(0, INDEXES - 1))
    step = torch.exp2(mu_shift(index.detach()))
    mu = round_through(mu * MU_STEPS)
    return round_through(mu / step) * step / MU_STEPS, index


def _normal_cdf(x: Tensor) -> Tensor:
    return 0.5 * torch.erfc(x * -(0.5**0.5))


def bin_mass(y: Tensor, mu: Tensor, sigma: Tensor) -> Tensor:
    """P(y - 1/2 < Y < y + 1/2) for Y ~ N(mu, sigma)."""
    distance = (y - mu).abs()
    return _normal_cdf((0.5 - distance) / sigma) - _normal_cdf((-0.5 - distance) / sigma)


def bits(y: Tensor, mu: Tensor, index: Tensor) -> Tensor:
    """The cost of each latent (not necessarily whole: training adds noise), in bits."""
    sigma = sigma_of(index)
    distance, width = (y - mu).abs(), 4 + sigma
    tail = torch.sigmoid((0.5 - distance) / width) - torch.sigmoid((-0.5 - distance) / width)
    mass = (1 - _TAIL) * bin_mass(y, mu, sigma) + _TAIL * tail
    return -torch.log2(mass.clamp(min=1e-12))


def conditional_mean(y_hat: Tensor, mu: Tensor, index: Tensor) -> Tensor:
    """E[Y | Y in the bin of y_hat]: what plain rounding lost is won back after decoding."""
    sigma = sigma_of(index)
    shift = mu - y_hat
    low, high = (-0.5 - shift) / sigma, (0.5 - shift) / sigma
    density = (torch.exp(-0.5 * low**2) - torch.exp(-0.5 * high**2)) / math.sqrt(2 * math.pi)
    mass = bin_mass(y_hat, mu, sigma).clamp(min=1e-6)
    return y_hat + (shift + sigma * density / mass).clamp(-0.5, 0.5)
