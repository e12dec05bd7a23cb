"""From a stream's coded latents to its pixels, in integers and without torch."""

from __future__ import annotations

import functools
import os
from collections.abc import Collection
from typing import NamedTuple

import numpy as np

from ..extension import extension
from ..identity import MODEL, identity
from .cpu import CpuRenderer
from .decoder_file import load_decoder

BLOCK = 16  # pixels of the whole image along the side of a latent
BoxInPixels = tuple[int, int, int, int]


class CodedArrays(NamedTuple):
    """`exact.engine.Coded` with arrays."""

    lanes: int
    groups: int
    exception_indexes: np.ndarray  # int64 [E]
    exception_differences: np.ndarray  # int16 [E]
    segments: list[bytes]


class PixelDecoder:
    """A decoder's file ready for use; any number of threads may share it.

    Args:
        path: see `decoder_file`.
        threads: how many to use; by default one for each core the process may run on.
        wanted: names of the renderings to read, which saves time; all by default.

    Raises:
        ImportError: the extension has not been built.
        ValueError: the file is not a decoder's, a bound does not hold, threads is not positive.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        threads: int | None = None,
        wanted: Collection[str] | None = None,
    ):
        file = load_decoder(path, wanted)
        self.renderings = {name: CpuRenderer(r, threads) for name, r in file.renderings.items()}
        self.threads = threads or len(os.sched_getaffinity(0))
        self.integers = file.integers
        slices = sum(name.endswith(".head.weight") for name in file.integers)
        self._model = extension().Model(file.integers, slices)

    @functools.cached_property
    def id(self) -> bytes:
        """The model's id, as `exact.model.IntegerModel.id`."""
        return identity(MODEL, self.integers)

    def latents(
        self, coded: CodedArrays, height: int, width: int, quality: int
    ) -> tuple[np.ndarray, ...]:
        """y, mu, indexes and hyper of a coding tile of height x width latents (`CpuRenderer`).

        Raises BitstreamError for a damaged stream.
        """
        y, _, *parameters = self._model.decode(*coded, height, width, quality, self.threads)
        return (y, *parameters)

    def draw(
        self,
        latents: tuple[np.ndarray, ...],
        width: int,
        height: int,
        quality: int,
        transposed: bool,
        *,
        rendering: str = "faithful",
        box: BoxInPixels | None = None,
    ) -> np.ndarray:
        """The pixels of an image: uint8 [rows, columns, 3].

        Args:
            latents: those of the whole grid, put together from its tiles.
            width, height, quality, transposed: as a stream's header says them.
            box: (left, top, right, bottom) within the image that the rendering draws, which is
                smaller than the stream's where the rendering is a preview.

        Raises ValueError for a rendering that the file does not have, a box outside the image,
        latents of another size or a number out of range.
        """
        if rendering not in self.renderings:
            there = ", ".join(self.renderings)
            raise ValueError(f"no rendering {rendering!r}: there are {there or 'none'}")
        coded = (width, height) if transposed else (height, width)
        if latents[0].shape[1:] != tuple(-(-side // BLOCK) for side in coded):
            raise ValueError(f"latents of {latents[0].shape} are not those of {width}x{height}")
        renderer = self.renderings[rendering]
        shrink = BLOCK // renderer.rendering.block
        columns, rows = -(-width // shrink), -(-height // shrink)
        left, top, right, bottom = box or (0, 0, columns, rows)
        if not (0 <= left < right <= columns and 0 <= top < bottom <= rows):
            raise ValueError(f"the box {box} does not lie within {columns}x{rows}")
        seen = (left, top, right, bottom) if transposed else (top, left, bottom, right)
        return renderer.render(*latents, quality, box=seen, transposed=transposed)
