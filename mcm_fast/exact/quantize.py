"""Export: a trained float network -> the integers of FORMAT.md, section 2.

An activation a (int8) means a / 16, a latent means itself. With the weights of an output
w = integers * scale, the layer's  (alpha * acc + beta) * 16  becomes  acc_int * m + b  with

    m = alpha * scale * 2^24 * (unit out) / (unit in)        b = beta * 2^24 * (unit out) + 2^23

where the unit of activations is 16, of latents and indexes 1, and mu counts in sixteenths.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..network import distribution
from ..network.level_affine import STEPS, quantize_rows
from ..network.model import Network
from .model import CONTEXTS, SHIFT, IntegerModel
from .tables import REACH, Table, bin_masses, latent_tables, make_table, table_tensors


@torch.no_grad()
def export(network: Network, counts: Tensor | None = None) -> IntegerModel:
    """The integers of a network, checked. Raises ValueError when a bound does not hold.

    `counts`: how often each symbol of each of y's tables was seen (`calibrate`).
    """
    layers = _hyper_layers(network) + _slice_layers(network)
    tensors = {f"{name}.weight": weight for name, weight, _, _ in layers}
    tensors["multiplier"] = torch.cat([m for _, _, m, _ in layers], 1).to(torch.int32)
    tensors["bias"] = torch.cat([b for _, _, _, b in layers], 1)
    tensors |= table_tensors(latent_tables(counts) + _prior_tables(network))
    return IntegerModel(tensors, network.config.slices)


Layer = tuple[str, Tensor, Tensor, Tensor]


def _layer(
    name: str, weight: Tensor, alpha: Tensor, beta: Tensor, unit_in: int, unit_out: Tensor | int
) -> Layer:
    """int8 weight [O, ...], multiplier and bias (int64 [L, O])."""
    integers, scale = quantize_rows(weight.double())
    one = 2.0**SHIFT * unit_out
    multiplier = (alpha.double() * scale * one / unit_in).round().long()
    bias = (beta.double() * one).round().long() + (1 << (SHIFT - 1))
    if multiplier.abs().max() >= 2**31:
        raise ValueError(f"{name}: a multiplier leaves 32 bits")
    return name, integers.to(torch.int8), multiplier, bias


def _hyper_layers(network: Network) -> list[Layer]:
    hyper = network.hyper_synthesis
    pairs = enumerate(zip(hyper.weights, hyper.affines, strict=True))
    return [
        _layer(f"hyper.{i}", weight, affine.alpha, affine.beta, STEPS if i else 1, STEPS)
        for i, (weight, affine) in pairs
    ]


def _slice_layers(network: Network) -> list[Layer]:
    context, config = network.context, network.config
    layers = []
    for k in range(config.slices):

        def rows(t: Tensor, dim: int = 0, k: int = k) -> Tensor:
            return t.chunk(config.slices, dim)[k]

        for name, masked in zip(CONTEXTS, context.masked, strict=True):
            taps = rows(masked.weight).flatten(2)[:, :, : masked.kernel**2 // 2]
            affine = rows(masked.affine.alpha, 1), rows(masked.affine.beta, 1)
            layers.append(_layer(f"slice.{k}.{name}", taps.transpose(1, 2), *affine, 1, STEPS))
        hidden = rows(context.hidden_weight)[:, :, 0, 0]
        if k:
            taps = rows(context.previous.weight)[:, : k * config.slice_channels].flatten(2)
            affine = rows(context.previous.affine.alpha, 1), rows(context.previous.affine.beta, 1)
            layers.append(_layer(f"slice.{k}.previous", taps.transpose(1, 2), *affine, 1, STEPS))
        else:
            hidden = hidden[:, : -config.previous]
        affine = rows(context.hidden.alpha, 1), rows(context.hidden.beta, 1)
        layers.append(_layer(f"slice.{k}.hidden", hidden, *affine, STEPS, STEPS))
        affine = rows(context.head.alpha, 1), rows(context.head.beta, 1)
        unit = torch.ones(2 * config.slice_channels).double()
        unit[: config.slice_channels] = distribution.MU_STEPS
        head = rows(context.head_weight)[:, :, 0, 0]
        layers.append(_layer(f"slice.{k}.head", head, *affine, STEPS, unit))
    return layers


def _prior_tables(network: Network) -> list[Table]:
    """For each level and channel of z: its table."""
    prior = network.prior
    mean, log_scale, logit = (
        p.detach().double() for p in (prior.mean, prior.log_scale, prior.logit)
    )
    scale, weight = log_scale.clamp(-4, 6).exp(), logit.softmax(-1)
    tables = []
    for row in range(mean.shape[0]):
        for c in range(mean.shape[1]):
            m, s, w = mean[row, c], scale[row, c], weight[row, c]

            def cdf(x: Tensor, m: Tensor = m, s: Tensor = s, w: Tensor = w) -> Tensor:
                return (torch.sigmoid((x[:, None] - m) / s) * w).sum(1)

            centre = round(float((m * w).sum()))
            tables.append(make_table(bin_masses(cdf, centre), centre - REACH))
    return tables
