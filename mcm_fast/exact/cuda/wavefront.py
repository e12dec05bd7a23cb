"""The wavefront of a batch of images on a device: its memory and its graphs.

    send       sizes, segments, exceptions: one copy from pinned memory
    prelude    z, the hyper-synthesis, the lazy sums of the first step: a graph
    steps      of all images at once: another graph, launched until the largest image is done

t advances on the device, and an image that is done, or an empty place, costs an early exit. So
these graphs serve every batch that the memory has room for.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import Tensor

from ...errors import BitstreamError
from ..engine import Decoded, Parameters
from ..model import IntegerModel
from ..rans import MAX_GROUPS, MAX_LANES
from . import graphs
from .batch import Batch, arrays_of
from .device import Parcel, launch
from .layers import Arrays, Layers
from .sizes import power_of_two

GRAPH_STEPS = 16  # of one launch; those that the last one has too many are early exits

_WRONG = {  # csrc/warp/launchers.h
    1: "the coder's final states are wrong",
    2: "there are too many words, or too few",
    4: "an exception belongs to a latent that is coded",
    8: "a segment is too short for its lanes, or there are no such lanes",
}


Room = tuple[int, int, int]  # for positions of y and of z, of all images, and for bytes to send


class Wavefront:
    """Memory for a batch, and the graphs that decode what is put there.

    Args:
        tables: what the coder's launchers are told of them.
        images: places for them, many of which may be empty.
        tiles: of the positions that a slice of an image has in one step.
    """

    def __init__(
        self,
        model: IntegerModel,
        layers: Layers,
        tables: Arrays,
        images: int,
        tiles: int,
        room: Room,
    ):
        self.layers, self.z_channels, self.room = layers, model.z_channels, room
        self.device, empty = layers.device, layers.empty
        positions, z_positions, size = room
        capacity = layers.step_capacity(tiles)
        self.arrays = layers.fields(positions)
        self.y = empty(positions, model.y_channels, dtype=torch.int16)
        self.z = empty(z_positions * model.z_channels, dtype=torch.int16)
        self.features = *layers.between(z_positions), self.arrays[1]
        self.picks = layers.picks(images * capacity)
        self.sums, self.coming = layers.sums(images * capacity), empty(images)
        self.side = torch.cuda.Stream(self.device) if graphs.has_graphs(self.device) else None
        self.affine = layers.affine(images)
        latents = positions * model.y_channels + z_positions * model.z_channels
        self.differences = empty(latents, dtype=torch.int16)
        fixed, more = arrays_of(Batch(model, [], images), [])
        self.parcel = Parcel(fixed, size, self.device)
        self.on = self.parcel.send(fixed, more)
        self.coder = {name: empty(images) for name in ("visit", "t", "unused", "error")}
        self.fields = {
            "images": images,
            "slices": model.slices,
            "slice_channels": model.slice_channels,
            "z_channels": model.z_channels,
            "capacity": capacity,
            **tables,
            **self.on,
            **self.coder,
            "states": empty(images, MAX_LANES * MAX_GROUPS),
            "cursor": empty(images, MAX_GROUPS),
            **dict(zip(("tables", "bases", "places"), self.picks, strict=True)),
            "y": self.y,
            "seen": self.arrays[0],
            "z": self.z,
            "differences": self.differences,
        }
        self.graph = None
        self.preludes: dict[int, torch.cuda.CUDAGraph] = {}  # by positions of z, a power of two
        if graphs.STEPS and graphs.has_graphs(self.device):
            self.graph = graphs.captured(self._step, self.device, GRAPH_STEPS)

    def has_room(self, *needed: int) -> bool:
        return all(a <= b for a, b in zip(needed, self.room, strict=True))

    def decode(
        self, batch: Batch, fixed: dict[str, np.ndarray], more: dict[str, np.ndarray]
    ) -> list[Decoded | BitstreamError]:
        """`fixed`, `more`: `arrays_of` the batch."""
        on = self.parcel.send(fixed, more)  # at the places of self.on
        if len(on["exception_at"]):
            self.differences[: int(batch.latents.sum())].zero_()
            self.differences.index_copy_(0, on["exception_at"], on["exception_difference"])
        self._begin(batch)
        self._advance(batch.steps)
        launch(self.device, "finish", self.fields)
        return self._results(batch)

    def _begin(self, batch: Batch) -> None:
        """Everything before the first step. A new size of images is captured while it is done."""
        size = power_of_two(batch.z_largest)
        if self.graph is None or not graphs.PRELUDE:
            self._prelude(batch.z_largest, batch.largest)
        elif size in self.preludes:
            self.preludes[size].replay()
        else:
            prelude = partial(self._prelude, size, min(16 * size, self.room[0]))
            self.preludes[size] = graphs.captured(prelude, self.device)

    def _prelude(self, z_largest: int, largest: int) -> None:
        """z, hyper features and lazy sums of images of so many positions of z and y, at most."""
        launch(self.device, "begin", self.fields)
        launch(self.device, "decode_z", self.fields)
        self.layers.affine_at(self.on["quality"], self.affine)
        sizes = z_largest, largest
        self.layers.hyper_synthesis(self.z, sizes, self.on, self.affine, self.features)
        self._lazy(self.coder["t"])

    def _advance(self, steps: int) -> None:
        """At least so many steps of every image."""
        if self.graph is None:
            for _ in range(steps):
                self._step()
        else:
            for _ in range(0, steps, GRAPH_STEPS):
                self.graph.replay()

    def _step(self) -> None:
        """While the coder decodes a step, the next one's lazy sums are added up beside it."""
        self._context()
        if self.side is None:
            self._lazy(self.coming)
            launch(self.device, "decode_step", self.fields)
            return
        here = torch.cuda.current_stream()
        self.side.wait_stream(here)
        launch(self.device, "decode_step", self.fields)  # first: its blocks want whole processors
        with torch.cuda.stream(self.side):
            self._lazy(self.coming)
        here.wait_stream(self.side)

    def _lazy(self, step: Tensor) -> None:
        """The sums of a step of each image, `step` int32 [images]."""
        self.layers.context_lazy(self.arrays, self.sums, self.on, step)

    def _context(self) -> None:
        """What is known -> tables and bases of the next latents."""
        steps = self.coder["t"], self.coming
        self.layers.context_step(self.arrays, self.picks, self.sums, self.on, *steps, self.affine)

    def _results(self, batch: Batch) -> list[Decoded | BitstreamError]:
        """Copies of what was decoded, or what is wrong with it. Waits."""
        fields = [t[: batch.positions].clone() for t in (self.y, *self.arrays[1:])]
        y, hyper, mu, indexes = map(batch.planar, fields)
        z = self.z[: batch.z_positions * self.z_channels].clone()
        errors = self.coder["error"].tolist()
        parameters = map(Parameters, mu, indexes, hyper)
        rows = zip(errors, y, batch.planar_z(z), parameters, strict=False)
        return [_error(bits) if bits else tuple(decoded) for bits, *decoded in rows]


def _error(bits: int) -> BitstreamError:
    """What is wrong, as decode's kernels say it."""
    first = bits & -bits
    assert first in _WRONG, f"error {bits}: the wavefront was too short"
    return BitstreamError(f"damaged stream: {_WRONG[first]}")
