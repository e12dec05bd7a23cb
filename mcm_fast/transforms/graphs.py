"""A synthesis as a CUDA graph, for shapes that come again: some 175 launches in one.

The first picture of a shape is painted launch by launch, and the second is when its graph is made.
Graphs of one codec share their memory: what each has painted is copied out at once.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

import torch
from torch import Tensor

from ..exact.cuda import graphs
from ..exact.cuda.device import current
from ..warn import warn
from .weights import LAYOUT

SYNTHESIS = True  # without, a launch for each kernel
LATENTS = 2**13  # of a picture that is painted by a graph, at most: 1920 x 1080 pixels
KEPT = 8  # graphs of a codec
REMEMBERED = 64  # shapes that were seen once

Paint = Callable[..., Tensor]


class Replays:
    """The graphs of a codec. Any number of threads and streams may use them; they take turns."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, _Replay] = OrderedDict()
        self._seen: OrderedDict[Hashable, None] = OrderedDict()
        self._lock, self._off = threading.Lock(), False

    def paint(self, paint: Paint, tensors: tuple[Tensor, ...], key: Hashable) -> Tensor:
        """`paint(*tensors)`, by a graph where there can be one.

        Args:
            paint: always queues the same work for tensors of the same shapes and the same key.
            tensors: (1, channels, h, w) each; the last, any tensor, tells the device.
        """
        device, latents = tensors[-1].device, tensors[0][0, 0].numel()
        if self._off or latents > LATENTS or not _may_capture(tensors, device):
            return paint(*tensors)
        key = key, *((tensor.shape, tensor.dtype) for tensor in tensors)
        # Tensors made in inference mode could not be written to outside of it.
        with self._lock, torch.inference_mode(False), torch.no_grad(), current(device):
            replay = self._kept.get(key) or self._new(paint, tensors, key, device)
            if replay is not None:
                self._kept.move_to_end(key)
                return replay.run(tensors)
        painted = paint(*tensors)
        with self._lock:
            self._remember(key)
        return painted

    def _new(
        self, paint: Paint, tensors: tuple[Tensor, ...], key: Hashable, device: torch.device
    ) -> _Replay | None:
        """Where a shape comes again. What cannot be captured goes on as before."""
        if key not in self._seen:
            return None
        others = list(self._kept.values())
        try:
            replay = _Replay(paint, tensors, device, others[-1] if others else None)
        except RuntimeError as error:
            self._off = True
            warn(f"pictures are painted without CUDA graphs: {error}")
            return None
        del self._seen[key]
        self._kept[key] = replay
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)[1].await_end()
        return replay

    def _remember(self, key: Hashable) -> None:
        self._seen[key] = None
        self._seen.move_to_end(key)
        while len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)


class _Replay:
    """Of one shape: where its graph reads and writes. `other`: shares its memory."""

    def __init__(
        self,
        paint: Paint,
        tensors: tuple[Tensor, ...],
        device: torch.device,
        other: _Replay | None,
    ):
        self.inputs = [_like(tensor, device) for tensor in tensors]
        self.done = torch.cuda.Event() if other is None else other.done
        self._fill(tensors)

        def step() -> None:
            self.output = paint(*self.inputs)

        pool = None if other is None else other.graph.pool()
        self.graph = graphs.captured(step, device, pool=pool)

    def run(self, tensors: tuple[Tensor, ...]) -> Tensor:
        self._fill(tensors)
        self.graph.replay()
        painted = self.output.clone()
        self.done.record(torch.cuda.current_stream())
        return painted

    def await_end(self) -> None:
        """Until nothing of it is in use."""
        self.done.synchronize()

    def _fill(self, tensors: tuple[Tensor, ...]) -> None:
        """When the last picture is out of the way, whatever stream it was painted on."""
        torch.cuda.current_stream().wait_event(self.done)
        for there, tensor in zip(self.inputs, tensors, strict=True):
            there.copy_(tensor)


def _like(tensor: Tensor, device: torch.device) -> Tensor:
    layout = LAYOUT if tensor.dim() == 4 else torch.contiguous_format
    return torch.empty(tensor.shape, dtype=tensor.dtype, device=device, memory_format=layout)


def _may_capture(tensors: tuple[Tensor, ...], device: torch.device) -> bool:
    """Not where gradients are wanted, or somebody else captures or compiles."""
    return (
        SYNTHESIS
        and graphs.has_graphs(device)
        and not torch.is_grad_enabled()
        and not any(tensor.requires_grad for tensor in tensors)
        and not torch.compiler.is_compiling()
        and not torch.is_autocast_enabled(device.type)
        and not torch.cuda.is_current_stream_capturing()
    )
