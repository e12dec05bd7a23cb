"""Decoding on a device: segments -> latents, all images of a batch on one wavefront.

Everything the host knows goes there in one copy (`wavefront.py` says what follows). What comes
back, and is waited for, is one number an image: what is wrong with it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

from ...errors import BitstreamError, caught
from ..engine import Coded, CodedItem, Decoded
from ..model import IntegerModel
from ..rans import MAX_GROUPS
from .batch import Batch, arrays_of, check_size
from .device import sent_size, use_dependent_launches
from .launch import CONTEXT_STEP
from .layers import Arrays, Layers
from .sizes import power_of_two
from .wavefront import Wavefront

KEPT = 24  # wavefronts: powers of two of images, and of tiles of a step


class Decoder:
    """`tables`: what the coder's launchers are told of them."""

    def __init__(self, model: IntegerModel, layers: Layers, tables: Arrays):
        self.model, self.layers, self.tables = model, layers, tables
        use_dependent_launches(layers.device, CONTEXT_STEP["PDL"])
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
        needed = max(batch.positions, 2**11), max(batch.z_positions, 2**7), max(size, 2**16)
        room = tuple(map(power_of_two, needed))
        kept = self._kept.pop(grid, None)
        if kept is None or not kept.has_room(*room):
            room = room if kept is None else tuple(map(max, room, kept.room))
            kept = Wavefront(self.model, self.layers, self.tables, *grid, room)
        self._kept[grid] = kept
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return kept


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
