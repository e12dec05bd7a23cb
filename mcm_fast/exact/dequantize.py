"""The inverse of `quantize`: float weights of a network's entropy model from its integers.

    w = integers * scale        scale = m * (unit in) / (alpha * 2^24 * (unit out))

m and alpha of the level at which |alpha| is largest, where m is most precise. Rounding such weights
to int8 gives the same integers again (the largest of an output's is 127), so that a model file need
not hold both: a network that is rounded as in use computes what the integers do, and training may
go on from it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..network import distribution
from ..network.config import Config
from ..network.level_affine import STEPS, LevelAffine
from ..network.model import Network
from .model import CONTEXTS, SHIFT, IntegerModel


def weight_names(network: Network) -> set[str]:
    """The parameters of a network that its integers hold."""
    names = {"context.hidden_weight", "context.head_weight", "context.previous.weight"}
    names |= {f"context.masked.{i}.weight" for i in range(len(network.context.masked))}
    return names | {f"hyper_synthesis.weights.{i}" for i in range(len(CONTEXTS))}


@torch.no_grad()
def fill(network: Network, model: IntegerModel) -> None:
    """Set these parameters. Those of the affine maps (alpha) must be in the network already."""
    hyper, rows = network.hyper_synthesis, _Rows(model)
    for i, (weight, affine) in enumerate(zip(hyper.weights, hyper.affines, strict=True)):
        weight.copy_(rows.weight(f"hyper.{i}", affine.alpha, STEPS if i else 1, STEPS))
    for name, masked in zip(CONTEXTS, network.context.masked, strict=True):
        masked.weight.zero_()
        for k, (own, alpha) in enumerate(_slices(network.config, masked.weight, masked.affine)):
            taps = rows.weight(f"slice.{k}.{name}", alpha, 1, STEPS)
            own.flatten(2)[:, :, : taps.shape[1]] = taps.transpose(1, 2)
    _fill_heads(network, rows)


def _fill_heads(network: Network, rows: _Rows) -> None:
    """The layers that see more than their own slice."""
    context, config = network.context, network.config
    previous = _slices(config, context.previous.weight.zero_(), context.previous.affine)
    hidden = _slices(config, context.hidden_weight.zero_(), context.hidden)
    heads = _slices(config, context.head_weight, context.head)
    unit = torch.ones(2 * config.slice_channels)
    unit[: config.slice_channels] = distribution.MU_STEPS
    for k, ((before, alpha), (own, of_hidden), (head, of_head)) in enumerate(
        zip(previous, hidden, heads, strict=True)
    ):
        if k:
            taps = rows.weight(f"slice.{k}.previous", alpha, 1, STEPS).transpose(1, 2)
            before.flatten(2)[:, : taps.shape[1]] = taps
        columns = rows.weight(f"slice.{k}.hidden", of_hidden, STEPS, STEPS)
        own[:, : columns.shape[1], 0, 0] = columns
        head[:, :, 0, 0] = rows.weight(f"slice.{k}.head", of_head, STEPS, unit)


def _slices(config: Config, weight: Tensor, affine: LevelAffine) -> list[tuple[Tensor, Tensor]]:
    """Each slice's part of a weight [S * O, ...], to be written to, and of alpha [L, S * O]."""
    parts = weight.chunk(config.slices), affine.alpha.chunk(config.slices, 1)
    return list(zip(*parts, strict=True))


class _Rows:
    """A model's layers as float weights."""

    def __init__(self, model: IntegerModel):
        self.weights = {name: model.tensors[f"{name}.weight"] for name in model.layers}
        sizes = [len(weight) for weight in self.weights.values()]
        parts = model.tensors["multiplier"].double().split(sizes, 1)
        self.multipliers = dict(zip(model.layers, parts, strict=True))

    def weight(self, name: str, alpha: Tensor, unit_in: int, unit_out: Tensor | int) -> Tensor:
        """[O, ...] as the integers lie; alpha: [L, O]."""
        largest = alpha.abs().argmax(0, keepdim=True)
        m, alpha = (t.double().gather(0, largest)[0] for t in (self.multipliers[name], alpha))
        scale = m * unit_in / (torch.where(alpha == 0, 1, alpha) * 2.0**SHIFT * unit_out)
        integers = self.weights[name]
        return (integers * scale.view(-1, *(1,) * (integers.dim() - 1))).float()
