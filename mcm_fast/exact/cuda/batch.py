"""A batch of images: sizes and offsets in the CUDA engine's arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from torch import Tensor

from ...limits import QUALITY_STEPS
from ..engine import Coded
from ..model import IntegerModel
from ..rans import MAX_GROUPS
from ..wavefront import ROW_STEP, wavefront_steps

IMAGES = 64  # of a batch, at most
POSITIONS = 2**18  # of all its images together, unless there is one only
LARGEST = 2**31 - 1  # entries of any array of one image: kernels count in int32

Size = tuple[int, int, int]  # of an image: y's height and width, quality


class Batch:
    """Where each image of a batch lies.

    Args:
        sizes: of each image.
        places: how many images the arrays tell of; those beyond the last have height 0.

    Attributes:
        arrays: what kernels are told: height, width, quality and z_table, int32 [places]; begin and
            z_begin (the number of the image's first position in y, in z), y_at and z_at (of its
            first latent), int64 [places].
        area, z_area, latents: positions of y, of z, and latents of both, int64 [places].
        positions, z_positions: of all images. largest, z_largest: of the largest.
        steps: of the wavefront, until the last image is done. widest: the most positions that one
            slice of one image has in a step.
    """

    def __init__(self, model: IntegerModel, sizes: Sequence[Size], places: int | None = None):
        height, width, quality = _columns(sizes, places or len(sizes))
        area, z_area = height * width, _quarter(height) * _quarter(width)
        self.sizes, self.area, self.z_area = sizes, area, z_area
        self.channels, self.z_channels = model.y_channels, model.z_channels
        self.positions, self.z_positions = int(area.sum()), int(z_area.sum())
        self.largest, self.z_largest = int(area.max(initial=0)), int(z_area.max(initial=0))
        self.latents = z_area * model.z_channels + area * model.y_channels
        z_tables = [model.z_table(q) - model.y_tables for q in quality.tolist()]
        begin, z_begin = starts(area)[:-1], starts(z_area)[:-1]
        self.arrays = {
            "height": height.astype(np.int32),
            "width": width.astype(np.int32),
            "quality": quality.astype(np.int32),
            "z_table": np.array(z_tables, np.int32),
            "begin": begin,
            "z_begin": z_begin,
            "y_at": begin * model.y_channels,
            "z_at": z_begin * model.z_channels,
        }
        self.steps = max((wavefront_steps(h, w, model.slices) for h, w, _ in sizes), default=0)
        self.widest = max((min(h, -(-w // ROW_STEP)) for h, w, _ in sizes), default=0)

    def planar(self, values: Tensor) -> list[Tensor]:
        """[positions, channels] -> of each image [channels, height, width], in the same memory."""
        parts = values.split([height * width for height, width, _ in self.sizes])
        pairs = zip(parts, self.sizes, strict=True)
        return [part.unflatten(0, (h, w)).permute(2, 0, 1) for part, (h, w, _) in pairs]

    def planar_z(self, z: Tensor) -> list[Tensor]:
        """[latents] of z, planar -> of each image [channels, height, width], in the same memory."""
        sizes = [(_quarter(height), _quarter(width)) for height, width, _ in self.sizes]
        channels = len(z) // self.z_positions
        parts = z.split([channels * height * width for height, width in sizes])
        return [part.view(-1, *size) for part, size in zip(parts, sizes, strict=True)]


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


def check_size(model: IntegerModel, height: int, width: int, quality: int) -> None:
    """ValueError for an image that the engine has no numbers for."""
    if min(height, width) < 1 or not 0 <= quality <= QUALITY_STEPS:
        raise ValueError(f"no image: {height} x {width} latents of quality {quality}")
    # The hyper-synthesis' layers have whole blocks of 4 x 4 positions, and up to 4 A outputs.
    widest = max(len(model.tensors[f"hyper.{i}.weight"]) for i in range(3))
    if _quarter(height) * _quarter(width) * 16 * max(widest, model.y_channels) > LARGEST:
        raise ValueError(f"{height} x {width} positions are too many for the engine 'cuda'")


def in_batches(sizes: Sequence[Size]) -> Iterator[slice]:
    """Cuts a sequence of images into batches."""
    first, positions = 0, 0
    for number, (height, width, _) in enumerate(sizes):
        positions += height * width
        if number > first and (positions > POSITIONS or number - first == IMAGES):
            yield slice(first, number)
            first, positions = number, height * width
    if first < len(sizes):
        yield slice(first, len(sizes))


def starts(sizes: Sequence[int] | np.ndarray) -> np.ndarray:
    """Where each of some things begins, one behind the other, and where the last one ends."""
    return np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]).astype(np.int64)


def _columns(sizes: Sequence[Size], places: int) -> np.ndarray:
    rows = np.zeros((places, 3), np.int64)
    rows[: len(sizes)] = np.array(sizes, np.int64).reshape(-1, 3)
    return rows.T


def _quarter(n):
    return -(-n // 4)
