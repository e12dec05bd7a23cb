"""Convolutions whose values are fp32 and whose gradients are made of bf16 products.

bf16 forward costs 1 to 2 % of the loss at high rates, as much as a long run wins; in the gradient
its error is far below the noise of a small batch. Where a CPU multiplies bf16 at three times the
speed of fp32 (AVX-512 BF16), the two products of the backward pass are two thirds of the work.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..network.blocks import Conv


class _Product(torch.autograd.Function):
    """F.conv2d(x (N, C, H, W), weight (O, C, k, k), bias (O,) or None), without padding."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x.bfloat16(), weight.bfloat16())
        return F.conv2d(x, weight, bias)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        needs = ctx.needs_input_grad
        of_x, of_weight, _ = torch.ops.aten.convolution_backward(
            gradient.bfloat16(), x, weight, None, [1, 1], [0, 0], [1, 1], False, [0, 0], 1,
            [needs[0], needs[1], False],
        )  # fmt: skip
        of_bias = gradient.sum((0, 2, 3)) if needs[2] else None
        return of_x.float() if needs[0] else None, of_weight.float() if needs[1] else None, of_bias


def is_fast() -> bool:
    """Whether this CPU multiplies bf16 by instructions of its own."""
    return torch.cpu._is_avx512_bf16_supported()


def apply(network: nn.Module) -> None:
    """Let every convolution of the transforms and the hyper-analysis have such gradients."""
    for module in network.modules():
        if isinstance(module, Conv):
            module.product = _Product.apply
