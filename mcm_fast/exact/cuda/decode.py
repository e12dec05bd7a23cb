"""Decoding on a device: segments -> latents, all images of a batch on one wavefront.

Everything the host knows goes there in one copy. The steps of the wavefront are launches of a CUDA
graph, each some steps of all images: t advances on the device, and an image that is done, or an
empty place, costs an early exit. So one graph serves every batch that its memory has room for. What
comes back, and is waited for, is one number an image: what is wrong with it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from ...errors import BitstreamError, caught
from ..engine import Coded, CodedItem, Decoded, Parameters
from ..model import IntegerModel
from ..rans import MAX_GROUPS, MAX_LANES
from .batch import Batch, check_size, starts
from .device import Parcel, launch, sent_size
from .launch import CONTEXT_STEP
from .layers import Arrays, Layers
from .sizes import power_of_two

GRAPH_STEPS = 16  # of one launch; those that the last one has too many are early exits
KEPT = 24  # wavefronts: powers of two of images, and of tiles of a step

GRAPHS = True  # on a GPU; without, a launch for each kernel of a step

_WRONG = {  # csrc/warp/launchers.h
    1: "the coder's final states are wrong",
    2: "there are too many words, or too few",
    4: "an exception belongs to a latent that is coded",
    8: "a segment is too short for its lanes, or there are no such lanes",
}


class Decoder:
    """`tables`: what the coder's launchers are told of them."""

    def __init__(self, model: IntegerModel, layers: Layers, tables: Arrays):
        self.model, self.layers, self.tables = model, layers, tables
        self._kept: OrderedDict[tuple[int, int], Wavefront] = OrderedDict()

    def decode(self, items: Sequence[CodedItem]) -> list[Decoded | BitstreamError]:
        """`Engine.decode`."""
        errors = [caught(_check, self.model, *item) for item in items]
        good = [item for item, error in zip(items, errors, strict=True) if error is None]
        decoded = iter(self._decode(good) if good else ())
        return [next(decoded) if error is None else error for error in errors]

    def _decode(self, items: Sequence[CodedItem]) -> list[Decoded | BitstreamError]:
        sizes = [size for _, *size in items]
        batch = Batch(self.model, sizes, power_of_two(len(items)))
        arrays = arrays_of(batch, [coded for coded, *_ in items])
        return self._wavefront(batch, sum(map(sent_size, arrays))).decode(batch, *arrays)

    def _wavefront(self, batch: Batch, size: int) -> Wavefront:
        """One with enough memory. Those of one grid replace each other as batches grow."""
        grid = len(batch.area), power_of_two(-(-batch.widest // CONTEXT_STEP["TILE"]))
        room = power_of_two(max(batch.positions, 2**11)), power_of_two(max(size, 2**16))
        kept = self._kept.pop(grid, None)
        if kept is None or not kept.has_room(*room):
            room = room if kept is None else map(max, room, kept.room)
            kept = Wavefront(self, *grid, *room)
        self._kept[grid] = kept
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return kept


class Wavefront:
    """Memory for a batch, and the graph that decodes what is put there.

    Args:
        images: places for them, many of which may be empty.
        tiles: of the positions that a slice of an image has in one step.
        positions: of y, of all images.
        size: bytes of what is sent to the device.
    """

    def __init__(self, decoder: Decoder, images: int, tiles: int, positions: int, size: int):
        model, self.layers = decoder.model, decoder.layers
        self.device, empty = self.layers.device, self.layers.empty
        self.z_channels, self.room = model.z_channels, (positions, size)
        capacity = self.layers.step_capacity(tiles)
        self.arrays = self.layers.fields(positions)
        self.y = empty(positions, model.y_channels, dtype=torch.int16)
        self.picks = self.layers.picks(images * capacity)
        self.sums, self.coming = self.layers.sums(images * capacity), empty(images)
        self.side = torch.cuda.Stream(self.device) if self.device.type == "cuda" else None
        self.affine = self.layers.affine(images)
        latents = positions * (model.y_channels + model.z_channels)
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
            **decoder.tables,
            **self.on,
            **self.coder,
            "states": empty(images, MAX_LANES * MAX_GROUPS),
            "cursor": empty(images, MAX_GROUPS),
            **dict(zip(("tables", "bases", "places"), self.picks, strict=True)),
            "y": self.y,
            "seen": self.arrays[0],
            "z": 0,
            "differences": self.differences,
        }
        self.graph = None
        if GRAPHS and self.device.type == "cuda":
            self.graph = captured(self._step, self.device)

    def has_room(self, positions: int, size: int) -> bool:
        return positions <= self.room[0] and size <= self.room[1]

    def decode(
        self, batch: Batch, fixed: dict[str, np.ndarray], more: dict[str, np.ndarray]
    ) -> list[Decoded | BitstreamError]:
        """`fixed`, `more`: `arrays_of` the batch."""
        on = self.parcel.send(fixed, more)  # at the places of self.on
        z = self.layers.empty(batch.z_positions * self.z_channels, dtype=torch.int16)
        fields = self.fields | {"z": z}
        if len(on["exception_at"]):
            self.differences[: int(batch.latents.sum())].zero_()
            self.differences.index_copy_(0, on["exception_at"], on["exception_difference"])
        launch(self.device, "begin", fields)
        launch(self.device, "decode_z", fields)
        self.layers.affine_at(on["quality"], self.affine)
        self.layers.hyper_synthesis(z, batch, on, self.affine, self.arrays[1])
        self._begin_steps()
        self._advance(batch.steps)
        launch(self.device, "finish", fields)
        return self._results(batch, z)

    def _advance(self, steps: int) -> None:
        """At least so many steps of every image."""
        if self.graph is None:
            for _ in range(steps):
                self._step()
        else:
            for _ in range(0, steps, GRAPH_STEPS):
                self.graph.replay()

    def _begin_steps(self) -> None:
        """The lazy sums of the first step."""
        self.coming.zero_()
        self._lazy()

    def _step(self) -> None:
        """While the coder decodes a step, the next one's lazy sums are added up beside it."""
        self._context()
        if self.side is None:
            self._lazy()
            launch(self.device, "decode_step", self.fields)
            return
        here = torch.cuda.current_stream()
        self.side.wait_stream(here)
        launch(self.device, "decode_step", self.fields)  # first: its blocks want whole processors
        with torch.cuda.stream(self.side):
            self._lazy()
        here.wait_stream(self.side)

    def _lazy(self) -> None:
        self.layers.context_lazy(self.arrays, self.sums, self.on, self.coming)

    def _context(self) -> None:
        """What is known -> tables and bases of the next latents."""
        steps = self.coder["t"], self.coming
        self.layers.context_step(self.arrays, self.picks, self.sums, self.on, *steps, self.affine)

    def _results(self, batch: Batch, z: Tensor) -> list[Decoded | BitstreamError]:
        """Copies of what was decoded, or what is wrong with it. Waits."""
        fields = [t[: batch.positions].clone() for t in (self.y, *self.arrays[1:])]
        y, hyper, mu, indexes = map(batch.planar, fields)
        errors = self.coder["error"].tolist()
        parameters = map(Parameters, mu, indexes, hyper)
        rows = zip(errors, y, batch.planar_z(z), parameters, strict=False)
        return [_error(bits) if bits else tuple(decoded) for bits, *decoded in rows]


def captured(step: Callable[[], None], device: torch.device) -> torch.cuda.CUDAGraph:
    """Some steps as a graph."""
    step()  # compiles and loads the kernels, which a capture must not do
    # Of a pool of its own: what a caller queues on his stream must not become part of it.
    graph, stream = torch.cuda.CUDAGraph(), torch.cuda.Stream(device, priority=-1)
    with torch.cuda.stream(stream):
        graph.capture_begin(capture_error_mode="thread_local")  # others may go on meanwhile
        try:
            for _ in range(GRAPH_STEPS):
                step()
        finally:
            graph.capture_end()
    return graph


def arrays_of(
    batch: Batch, coded: Sequence[Coded]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """What is sent to the device; and arrays whose sizes depend on the images."""
    places = len(batch.area)
    lanes, groups, exceptions = np.zeros((3, places), np.int32)
    sizes = np.zeros((places, MAX_GROUPS), np.int32)  # of segments, in words of 16 bits
    for b, image in enumerate(coded):
        lanes[b], groups[b], exceptions[b] = image.lanes, image.groups, len(image.exception_indexes)
        sizes[b, : image.groups] = [len(segment) // 2 for segment in image.segments]
    words = b"".join(segment for image in coded for segment in image.segments)
    at = starts(batch.latents * (exceptions > 0))[:-1]
    indexes = [_places(batch, b, image.exception_indexes) + at[b] for b, image in enumerate(coded)]
    differences = [image.exception_differences for image in coded]
    fixed = {
        **batch.arrays,
        "lanes": lanes,
        "groups": groups,
        "exceptions": exceptions,
        "difference_at": np.where(exceptions > 0, at, -1),
        "segment_at": starts(sizes.ravel())[:-1].reshape(sizes.shape),
        "segment_size": sizes,
    }
    return fixed, {
        "payload": np.frombuffer(words + b"\0\0", np.int16),  # never empty: it has an address
        "exception_at": np.concatenate([np.empty(0, np.int64), *indexes]),
        "exception_difference": np.concatenate([np.empty(0, np.int16), *differences]),
    }


def _places(batch: Batch, b: int, indexes: np.ndarray) -> np.ndarray:
    """Where the differences of exceptions lie: y is planar in a stream, but not here."""
    height, width, _ = batch.sizes[b]
    area, z_area = height * width, int(batch.z_area[b])
    z_latents = batch.z_channels * z_area
    rest = indexes - z_latents
    y = rest % area * batch.channels + rest // area
    return np.where(rest < 0, rest, y) + z_latents


def _check(model: IntegerModel, coded: Coded, height: int, width: int, quality: int) -> None:
    """What the host can see of damage. Raises BitstreamError."""
    try:
        check_size(model, height, width, quality)
    except ValueError as error:
        raise BitstreamError(str(error)) from None
    if len(coded.segments) != coded.groups or not 1 <= coded.groups <= MAX_GROUPS:
        raise BitstreamError(f"{len(coded.segments)} segments for {coded.groups} groups")
    if any(len(segment) % 2 for segment in coded.segments):
        raise BitstreamError("a segment ends within a word")
    if not len(coded.exception_indexes):
        return
    size = model.y_channels * height * width + model.z_channels * -(-height // 4) * -(-width // 4)
    edges = np.concatenate(([-1], coded.exception_indexes, [size]))
    if (np.diff(edges) <= 0).any() or not coded.exception_differences.all():
        raise BitstreamError("the exceptions are not in order")


def _error(bits: int) -> BitstreamError:
    """What is wrong, as decode's kernels say it."""
    first = bits & -bits
    assert first in _WRONG, f"error {bits}: the wavefront was too short"
    return BitstreamError(f"damaged stream: {_WRONG[first]}")
