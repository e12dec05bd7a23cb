"""What painting should cost on an H100, launch by launch and as a graph. No measurement.

    python estimate_synthesis.py        needs no GPU

Operations, products and bytes of `small`'s synthesis in half precision are counted on tensors that
have shapes and no data. Products and memory are taken to follow each other, which is too much.
"""

from __future__ import annotations

import copy
import weakref

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

import mcm_fast
from mcm_fast.transforms.run import _levels, _rendered
from mcm_fast.transforms.weights import halve

LAUNCH = 10.0  # microseconds that an operation of torch takes on the host, when it does not wait
EDGE = 1.25  # microseconds between a kernel's end and the next one's begin, in a graph
FLOPS, BYTES = 4e14, 2.5e12  # a second: what half-precision convolutions and memory reach, perhaps


class Fused(nn.Module):
    """In the place of a GDN that is one kernel."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.addcmul(x, x, x)


class Count(TorchDispatchMode):
    """Kernels, the bytes that they read and write, and the most that were alive at once."""

    def __init__(self) -> None:
        super().__init__()
        self.kernels = self.moved = self.live = self.peak = 0
        self.known: set[int] = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        aliases = [value.alias_info for value in function._schema.returns if value.alias_info]
        if aliases and not any(alias.is_write for alias in aliases):
            return out  # a view
        tensors = [t for t in tree_leaves((args, kwargs, out)) if isinstance(t, Tensor)]
        self.kernels += 1
        self.moved += sum(t.numel() * t.element_size() for t in tensors)
        for tensor in tree_leaves(out) if not aliases else ():
            self._count(tensor.untyped_storage())
        return out

    def _count(self, storage: torch.UntypedStorage) -> None:
        if storage._cdata in self.known:
            return
        self.known.add(storage._cdata)
        self.live += storage.nbytes()
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._let_go, storage._cdata, storage.nbytes())

    def _let_go(self, key: int, size: int) -> None:
        self.known.discard(key)
        self.live -= size


def on_meta(codec) -> nn.Module:
    """The network as a GPU has it, without data."""
    network = copy.deepcopy(codec.network)
    halve(network.synthesis, fused=False)
    for stage in network.synthesis.stages:
        stage.gdn = Fused()
    return network.to("meta")


@torch.no_grad()
def counted(network: nn.Module, hyper_channels: int, height: int, width: int) -> tuple[Count, int]:
    """Of a picture of so many latents; floating-point operations."""
    channels = network.config.latent
    kinds = (channels, torch.int16), (channels, torch.int16), (channels, torch.uint8)
    shapes = [(n, dtype) for n, dtype in (*kinds, (hyper_channels, torch.int8))]
    parts = [torch.empty(1, n, height, width, dtype=dtype, device="meta") for n, dtype in shapes]
    with FlopCounterMode(display=False) as flops, Count() as count:
        pixels = _rendered(network, network.synthesis, (*parts, torch.empty(1, device="meta")))
        _levels(pixels).to(torch.uint8)
    return count, flops.get_total_flops()


def main() -> None:
    codec = mcm_fast.load("small", "cpu")
    network = on_meta(codec)
    for name, size in (("768x512", (32, 48)), ("1920x1080", (68, 120))):
        count, flops = counted(network, codec.integers.hyper_channels, *size)
        pixels = 256 * size[0] * size[1]
        work = 1e3 * (flops / FLOPS + count.moved / BYTES)
        alone = max(work, count.kernels * LAUNCH / 1e3)
        graph = work + count.kernels * EDGE / 1e3
        print(
            f"{name}: {count.kernels} kernels, {flops / 1e9:.1f} Gflop, {count.moved / 1e6:.0f} MB "
            f"moved, {count.peak / pixels:.0f} bytes a pixel alive; {work:.2f} ms of work; "
            f"launch by launch {alone:.2f} ms, as a graph {graph:.2f} ms"
        )


if __name__ == "__main__":
    main()
