"""The decoder as something with slopes: rate and pixels of latents that need not be whole.

Everything is rounded as in use, straight through (`Network.quantize`), but on copies whose weights
are rounded once: the network itself may be in use by other threads. The integers have the last word
(`search`); this only points the way.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from ..network import distribution
from ..network.gain import interpolate
from ..network.gdn import GDN
from ..network.level_affine import LIMIT, STEPS, LevelAffine, fake_quantize_rows
from ..network.model import Network
from ..network.transforms import Synthesis
from ..transforms.weights import FusedGDN


class Surrogate:
    """A network's entropy model and a synthesis at one quality.

    Args:
        level: the gain level, float (1,).
    """

    def __init__(self, network: Network, synthesis: Synthesis, level: Tensor):
        self.network, self.level = network, level
        self.hyper_synthesis = copy.deepcopy(network.hyper_synthesis)
        self.context = copy.deepcopy(network.context)
        self.synthesis = _with_slopes(synthesis)
        self._round_weights()

    def __call__(self, y: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """y (1, M, h, w), z (1, Nz, ceil(h/4), ceil(w/4)) -> bits (), image (1, 3, 16 h, 16 w)."""
        bits, mu, index, hyper = self.rate(y, z)
        parts = y, mu, index, hyper, self.level
        return bits, self.network.render(*parts, self.synthesis).float()

    def rate(self, y: Tensor, z: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Bits of y and z together, and mu, index and hyper features of y."""
        hyper = self.hyper_synthesis(z, self.level)[:, :, : y.shape[2], : y.shape[3]]
        mu, index = distribution.fake_quantize(*self.context(y, hyper, self.level))
        y_bits = distribution.bits(y, mu, index).sum()
        return y_bits + self.network.prior.bits(z, self.level).sum(), mu, index, hyper

    @torch.no_grad()
    def _round_weights(self) -> None:
        for weight in self.hyper_synthesis.weights:
            weight.copy_(fake_quantize_rows(weight))
        context = self.context
        for layer in (*context.masked, context.previous):
            layer.weight.copy_(fake_quantize_rows(layer.weight * layer.mask))
        for weight in (context.hidden_weight, context.head_weight):
            weight.copy_(fake_quantize_rows(weight))
        for module in (*self.hyper_synthesis.modules(), *context.modules()):
            for name, child in module.named_children():
                if isinstance(child, LevelAffine):
                    setattr(module, name, FixedAffine(child, self.level))


class FixedAffine(nn.Module):
    """A `LevelAffine` at one level, rounded as in use, in a third of its operations."""

    def __init__(self, affine: LevelAffine, level: Tensor):
        super().__init__()
        rows = (affine.alpha, affine.beta)
        self.alpha, self.beta = (interpolate(row, level)[:, :, None, None] for row in rows)
        self.activation = affine.activation

    def forward(self, acc: Tensor, level: Tensor) -> Tensor:  # [1, C, h, w]
        out = torch.addcmul(self.beta, acc, self.alpha)
        return _Activation.apply(out) if self.activation else out


class _Activation(torch.autograd.Function):
    """`LevelAffine.activate` while quantised."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, out: Tensor) -> Tensor:
        v = torch.floor(out * STEPS + 0.5)
        a = torch.maximum(v, torch.floor((v + 2) * 0.25))
        ctx.save_for_backward(v)
        return a.clamp_(-LIMIT, LIMIT).div_(STEPS)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, slope: Tensor) -> Tensor:
        (v,) = ctx.saved_tensors
        kept = (v >= 0).to(slope.dtype).mul_(0.75).add_(0.25)
        return kept.mul_((v <= LIMIT) & (v >= -4 * LIMIT - 2)).mul_(slope)


def _with_slopes(synthesis: Synthesis) -> nn.Module:
    """On a GPU, a copy in fp32 whose GDNs are torch's: the fused kernel has no backward pass."""
    if not next(synthesis.parameters()).is_cuda:
        return synthesis
    plain = copy.deepcopy(synthesis).float()
    for module in tuple(plain.modules()):
        for name, child in module.named_children():
            if isinstance(child, FusedGDN):
                setattr(module, name, _unfused(child))
    return plain


@torch.no_grad()
def _unfused(layer: FusedGDN) -> GDN:
    """The GDN that a fused one was made of."""
    plain = GDN(len(layer.beta), layer.inverse).to(layer.beta.device).requires_grad_(False)
    plain.gamma.copy_(layer.gamma.T.float().sqrt())
    plain.beta.copy_((layer.beta.float() - 1e-6).clamp(min=0).sqrt())
    return plain
