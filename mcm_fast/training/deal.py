"""The channels of y dealt out over the slices of the context model.

Principal axes, and training after them, leave the channels in the order of their energy. In that
order slice 0 holds nearly all bits of a low rate, and no slice before it helps to code them. Dealt
out like cards, slice k gets channels k, k + K, k + 2 K, ...: its share of the strong ones.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..network.config import Config
from ..network.model import Network
from ..network.transforms import Synthesis

# Dimensions along which parameters count the channels of y; the synthesis' goes on after them.
_CHANNELS = {
    "analysis.conv.weight": 0,
    "analysis.conv.bias": 0,
    "gain.log_gain": 1,
    "inverse_gain.log_gain": 1,
    "hyper_analysis.first.weight": 1,
}


def dealt(config: Config) -> Tensor:
    """Which channel comes to each place: int64 (M,)."""
    return torch.arange(config.latent).view(-1, config.slices).T.flatten()


def deal(network: Network, config: Config) -> Network:
    """The same transforms and hyperprior with the channels dealt out, and a new context model.

    config: the network's, but for the sizes of its context model.
    """
    state = {n: t for n, t in network.state_dict().items() if not n.startswith("context.")}
    for name, dimension in _CHANNELS.items():
        state[name] = state[name].index_select(dimension, dealt(config))
    new = Network(config)
    new.load_state_dict(state | {n: t for n, t in new.state_dict().items() if n not in state})
    deal_synthesis(new.synthesis, dealt(config))
    return new


@torch.no_grad()
def deal_synthesis(synthesis: Synthesis, order: Tensor) -> None:
    """In place: its first columns are of y, the others of the hyper features."""
    columns = synthesis.conv.weight[:, : len(order)]
    columns.copy_(columns[:, order])
