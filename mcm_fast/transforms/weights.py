"""The transforms' weights as they are used, converted once for each codec.

Everywhere they lie channels_last, so that 1x1 convolutions and GDN are plain matrix products. On a
GPU they are fp16, and GDN is one Triton kernel where Triton is installed (an engine for the GPU
needs it anyway). What surrounds the transforms stays fp32: gain units, hyper-analysis, the
conditional mean, previews (their products are of tf32 where torch is set so); and so do GDN's
norms.
"""

from __future__ import annotations

import copy
import importlib.util
from typing import TypeVar

import torch
from torch import Tensor, nn

from ..network.gdn import GDN
from ..network.preview import Preview
from ..network.transforms import Analysis, Synthesis

T = TypeVar("T", bound=nn.Module)
LAYOUT = torch.channels_last


def prepare(module: T) -> T:
    """A network or a synthesis for use on its own device: itself on the CPU, where only the layout
    changes; a copy on a GPU, because the original may be trained further."""
    on_gpu = next(module.parameters()).is_cuda
    module = copy.deepcopy(module) if on_gpu else module
    for part in module.modules():
        if isinstance(part, Analysis | Synthesis | Preview):
            part.to(memory_format=LAYOUT)
            if on_gpu and not isinstance(part, Preview):
                halve(part, fused=importlib.util.find_spec("triton") is not None)
    return module


def halve(transform: Analysis | Synthesis, fused: bool) -> None:
    """Weights in half precision, in place; `fused`: each GDN is one kernel."""
    transform.half()
    for stage in transform.stages if fused else ():
        stage.gdn = FusedGDN(stage.gdn)


class FusedGDN(nn.Module):
    """A GDN for inference in half precision: `kernels/gdn.py` with its parameters ready for use."""

    def __init__(self, layer: GDN):
        super().__init__()
        gamma, beta = layer.effective()
        self.register_buffer("gamma", gamma.T.contiguous())
        self.register_buffer("beta", beta)
        self.inverse = layer.inverse

    def forward(self, x: Tensor) -> Tensor:  # [N, C, H, W]
        from ..kernels.gdn import normalize

        return normalize(x, self.gamma, self.beta, self.inverse)
