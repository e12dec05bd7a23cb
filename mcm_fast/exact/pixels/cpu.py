"""The C++ twin of reference.py: csrc/pixels/ with numpy in and out. Imports no torch."""

from __future__ import annotations

import numpy as np

from ...inputs import check_threads
from ...threads import current
from ..extension import extension
from .rendering import Rendering

Box = tuple[int, int, int, int]  # top, left, bottom, right: positions of a tensor
BAND = 8  # rows of a tensor that are computed at once: they and their neighbours stay in the cache
LEAST_BAND, WIDE = 2, 128  # of pictures of more latents a row than WIDE: memory grows with both


class CpuRenderer:
    """A rendering ready for use; any number of threads may share it.

    Args:
        threads: how many to use; by default those of the call (see `threads`).

    Raises:
        ImportError: the extension has not been built.
        ValueError: threads is not positive.
    """

    def __init__(self, rendering: Rendering, threads: int | None = None):
        self._threads = check_threads(threads)
        self.rendering = rendering
        self._packed = extension().pixels.Rendering(rendering.tensors)

    @property
    def threads(self) -> int:
        return self._threads or current()

    def render(
        self,
        y: np.ndarray,
        mu: np.ndarray,
        indexes: np.ndarray,
        hyper: np.ndarray,
        quality: int,
        *,
        box: Box | None = None,
        transposed: bool = False,
        band: int | None = None,
    ) -> np.ndarray:
        """Decoded latents and what the entropy model says of them -> pixels.

        Args:
            y, mu: int16 [M, h, w].
            indexes: uint8 [M, h, w].
            hyper: int8 [F, h, w].
            quality: 0 .. 10000.
            box: (top, left, bottom, right) in pixels of the coded orientation; all of
                h * block x w * block by default.
            transposed: the coded orientation is not the image's.
            band: rows of a tensor that are computed at once; changes the speed and the memory,
                never the pixels. By default fewer for wide pictures.

        Returns uint8 [height, width, 3] of the box, in the image's orientation.
        Raises ValueError for a wrong shape or type, or a number out of range.
        """
        arrays = [np.ascontiguousarray(array) for array in (y, mu, indexes, hyper)]
        if any(array.ndim != 3 or array.shape[1:] != y.shape[1:] for array in arrays):
            raise ValueError(f"arrays of the shapes {[array.shape for array in arrays]}")
        (height, width), block = y.shape[1:], self.rendering.block
        box = box or (0, 0, height * block, width * block)
        if band is None:
            columns = max(1, (box[3] - box[1]) // block)
            band = min(BAND, max(LEAST_BAND, BAND * WIDE // columns))
        return self._packed.render(*arrays, quality, box, transposed, self.threads, band)

    def seen(self, height: int, width: int, box: Box) -> Box:
        """The latents, of height x width, that a box of pixels depends on.

        Raises ValueError for a box that does not lie within the image.
        """
        return self.needs(height, width, box)[0][0]

    def needs(self, height: int, width: int, box: Box) -> tuple[list[Box], int]:
        """What is computed of each tensor for a box, and the multiplications that this takes."""
        needs: tuple[list[Box], int] = self._packed.needs(height, width, box)
        return needs
