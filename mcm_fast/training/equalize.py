"""Use the whole range of int8: rescale the entropy model's features, channel by channel.

The activation is homogeneous below its clamp, so multiplying a channel's alpha and beta by s > 0
and dividing the weights that read it by s changes nothing but the size of its rounding steps
(cross-layer equalization, Nagel et al., ICCV 2019). Without it features of size 0.05 would be
rounded in steps of 1/16.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..network.level_affine import LIMIT, STEPS, LevelAffine
from ..network.model import Network

_REACH = 0.9 * LIMIT / STEPS  # where the largest value seen comes to lie
_MOST = 256.0  # channels that are never used stay small


@torch.no_grad()
def equalize(network: Network, features: Tensor, hyper: bool = True) -> None:
    """Rescale in place, by what is seen on features (N, M, h, w) of `analysis` at all levels.

    hyper: the hyper-synthesis too; without, the syntheses need not change.
    """
    network.eval()
    side, context = network.hyper_synthesis, network.context
    affines = [*side.affines, *(m.affine for m in context.masked), context.previous.affine]
    affines.append(context.hidden)
    largest = _largest(network, features, affines)
    scales = [(_REACH / peak.clamp(min=1e-9)).clamp(1.0, _MOST) for peak in largest]
    if not hyper:
        scales[:3] = [torch.ones_like(scale) for scale in scales[:3]]
    for i in (0, 1):  # four outputs become one channel: one scale for them
        scales[i] = scales[i].view(-1, 4).amin(1).repeat_interleave(4)
    for affine, scale in zip(affines, scales, strict=True):
        affine.alpha *= scale
        affine.beta *= scale
    for i in (0, 1):
        side.weights[i + 1] /= scales[i][::4][None, :, None, None]
    network.synthesis.conv.weight[:, network.config.latent :] /= scales[2][None, :, None, None]
    _divide_hidden(network, scales)
    per_slice = scales[-1].view(network.config.slices, 1, -1)
    heads = context.head_weight.view(network.config.slices, -1, network.config.hidden)
    heads /= per_slice


def _divide_hidden(network: Network, scales: list[Tensor]) -> None:
    """The hidden layer's columns: hyper features for all slices, then each slice's own features."""
    slices = network.config.slices
    own = torch.cat([s.view(slices, -1) for s in scales[3:7]], 1)
    shared = scales[2].expand(slices, -1)
    weight = network.context.hidden_weight.view(slices, network.config.hidden, -1)
    weight /= torch.cat((shared, own), 1)[:, None]


def _largest(network: Network, features: Tensor, affines: list[LevelAffine]) -> list[Tensor]:
    """The largest absolute value of each channel of each layer, over all levels."""
    peaks = [torch.zeros(affine.alpha.shape[1]) for affine in affines]

    def watch(n: int):
        def hook(_, __, out: Tensor) -> None:
            peaks[n] = torch.maximum(peaks[n], out.abs().amax((0, 2, 3)))

        return hook

    hooks = [affine.register_forward_hook(watch(n)) for n, affine in enumerate(affines)]
    for level in range(network.config.levels):
        network.entropy(features, torch.full((len(features),), float(level)))
    for hook in hooks:
        hook.remove()
    return peaks
