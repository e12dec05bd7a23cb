"""GDN and its inverse (Balle et al., ICLR 2016) in one pass over memory.

    norm_i = beta_i + sum over j of gamma_ij x_j^2        fp32
    y_i    = x_i / sqrt(norm_i), or x_i sqrt(norm_i)      rounded once, to x's type

beta and gamma are the effective ones, non-negative: what `network/gdn.py:GDN`, the twin, makes of
its parameters. Floating point, not of the exact lane: within 2^-9 of the twin, which rounds the
scale to half precision before it multiplies.

Positions have their channels innermost (channels_last). A program computes TILE positions of BLOCK
channels. Products are three of tf32 each, which is fp32 but for the last bits: one alone would
cost as much accuracy as half precision itself.
"""

from __future__ import annotations

import contextlib

import torch
import triton
import triton.language as tl
from torch import Tensor

LAUNCH = {
    "TILE": 64,
    "BLOCK": 64,
    "CHUNK": 32,
    "num_warps": 4,
}


@triton.jit(do_not_specialize=["positions"])  # one kernel for images of all sizes
def gdn(
    x,  # half precision [positions, C]
    gamma,  # fp32 [C inputs, C outputs]
    beta,  # fp32 [C]
    out,  # as x
    positions,
    C: tl.constexpr,
    INVERSE: tl.constexpr,
    TILE: tl.constexpr,
    BLOCK: tl.constexpr,
    CHUNK: tl.constexpr,
):
    """Grid: tiles of positions, blocks of outputs."""
    rows = tl.program_id(0).to(tl.int64) * TILE + tl.arange(0, TILE)
    outputs = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    real = rows[:, None] < positions
    here = rows[:, None] * C
    acc = tl.zeros((TILE, BLOCK), tl.float32)
    for start in range(0, C, CHUNK):
        j = start + tl.arange(0, CHUNK)
        a = tl.load(x + here + j[None, :], mask=real & (j < C)[None, :], other=0).to(tl.float32)
        at = j[:, None] * C + outputs[None, :]
        g = tl.load(gamma + at, mask=(j < C)[:, None] & (outputs < C)[None, :], other=0)
        acc = tl.dot(a * a, g, acc, input_precision="tf32x3")
    norm = acc + tl.load(beta + outputs, mask=outputs < C, other=1)[None, :]
    real = real & (outputs < C)[None, :]
    a = tl.load(x + here + outputs[None, :], mask=real, other=0).to(tl.float32)
    y = a * tl.sqrt(norm) if INVERSE else a / tl.sqrt(norm)
    tl.store(out + here + outputs[None, :], y.to(out.dtype.element_ty), mask=real)


def normalize(x: Tensor, gamma: Tensor, beta: Tensor, inverse: bool) -> Tensor:
    """x [N, C, H, W] in half precision and channels_last; gamma [C inputs, C outputs] and beta [C]
    in fp32 -> as x."""
    x = x.contiguous(memory_format=torch.channels_last)
    out, channels = torch.empty_like(x), x.shape[1]
    positions = x.numel() // channels
    grid = triton.cdiv(positions, LAUNCH["TILE"]), triton.cdiv(channels, LAUNCH["BLOCK"])
    # Triton launches on the current device, whatever the tensors' is.
    with torch.cuda.device_of(x) if x.is_cuda else contextlib.nullcontext():
        gdn[grid](x, gamma, beta, out, positions, channels, inverse, **LAUNCH)
    return out
