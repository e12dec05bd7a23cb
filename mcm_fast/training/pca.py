"""A start that already compresses: principal axes in the transforms, gains and scales to match.

With residual branches at zero and GDN near the identity, the analysis is then a block transform
like JPEG's but learned from the crops, the synthesis its transpose, and a Gaussian of the right
width codes every channel. Training begins at about 27 dB instead of at a grey image.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..network.distribution import index_of
from ..network.model import Network
from ..network.transforms import Analysis, Synthesis

_SPARE = 0.1  # the channels beyond the principal axes keep their random filters, this small
_Z_STD = 2.5


@torch.no_grad()
def initialise(network: Network, images: Tensor) -> None:
    """Set a new network's weights from crops (N, 3, H, W) in [0, 1], in place, in fp32."""
    y = _transforms(network.analysis, network.synthesis, images)
    gain = _gains(network)
    std = y.std((0, 2, 3)).clamp(min=1e-3)
    _hyper(network, y, gain)
    start_context(network, std)


def _transforms(analysis: Analysis, synthesis: Synthesis, images: Tensor) -> Tensor:
    """Principal axes stage by stage, each from the output of the stages before; returns y."""
    x = images - 0.5
    ups = list(synthesis.stages)[::-1]
    for down, up in zip(analysis.stages, ups, strict=True):
        _pair(down.conv, up.conv, F.pixel_unshuffle(x, down.factor))
        x = down(x)
    _pair(analysis.conv, synthesis.conv, x)
    return analysis.conv(x)


def _pair(down: nn.Conv2d, up: nn.Conv2d, x: Tensor) -> None:
    """The centre taps of a convolution and of its mirror: W (x - mean) and W^T y + mean."""
    columns = x.transpose(0, 1).flatten(1).double()  # [C, positions]
    mean = columns.mean(1)
    centred = columns - mean[:, None]
    _, axes = torch.linalg.eigh(centred @ centred.T / columns.shape[1])
    k = min(down.out_channels, x.shape[1])
    axes = axes.flip(1)[:, :k].T  # [k, C], the leading ones first
    down.weight[:k], down.bias[:k] = 0, (-axes @ mean).float()
    down.weight[k:] *= _SPARE
    _centre(down)[:k] = axes.float()
    up.weight.zero_()
    _centre(up)[:, :k] = axes.T.float()
    up.bias.copy_(mean)


def _centre(layer: nn.Conv2d) -> Tensor:
    """A view of the centre tap [out, in]."""
    middle = layer.kernel_size[0] // 2
    return layer.weight[:, :, middle, middle]


def _gains(network: Network) -> Tensor:
    """The gain of each level [L], from the best step of a uniform quantiser at a high rate.

    An orthonormal transform has three coefficients a pixel; lambda D + R is then
    lambda step^2 / 12 - 3 log2(step), least at step^2 = 18 / (lambda ln 2) = 26 / lambda.
    """
    config = network.config
    gain = torch.tensor([(config.lmbda(n) / 26) ** 0.5 for n in range(config.levels)])
    network.gain.log_gain.copy_(gain.log()[:, None])
    network.inverse_gain.log_gain.copy_(-gain.log()[:, None])
    return gain.to(network.gain.log_gain.device)


def _hyper(network: Network, y: Tensor, gain: Tensor) -> None:
    """Gains of z that give every channel the same spread at every level."""
    for level, g in enumerate(gain):
        std = network.hyper_analysis(y * g).std((0, 2, 3)).clamp(min=1e-3)
        network.hyper_gain.log_gain[level] = (_Z_STD / std).log()


@torch.no_grad()
def start_context(network: Network, std: Tensor) -> None:
    """Let a new context model say what the channels' spread does: std [M], of y before the gain.

    Inputs are scaled to one size at all levels, and outputs back. The head's weights are zero: at
    first sigma is each channel's own, and mu zero.
    """
    context, slices = network.context, network.config.slices
    spread = network.gain.log_gain.exp() * std  # [L, M]
    per_slice = spread.unflatten(1, (slices, -1))
    power = per_slice.square().mean(2)  # [L, K]
    for layer in context.masked:
        _scale(layer.affine.alpha, power.sqrt())
    before = power.cumsum(1) / torch.arange(1, slices + 1, device=std.device)
    _scale(context.previous.affine.alpha, before.roll(1, 1).sqrt())
    head = context.head
    alpha, beta = (p.unflatten(1, (slices, 2, -1)) for p in (head.alpha, head.beta))  # views
    alpha[:, :, 0] = per_slice
    beta[:, :, 1] = index_of(per_slice).clamp(min=0.0)  # below it has no slope


def _scale(alpha: Tensor, size: Tensor) -> None:
    """alpha [L, K * n] = 1 / size [L, K]."""
    alpha.unflatten(1, (size.shape[1], -1)).copy_(1 / size[..., None])
