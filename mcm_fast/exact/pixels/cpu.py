"""The C++ twin of reference.py: csrc/pixels/ with numpy in and out. Imports no torch."""

from __future__ import annotations

import os

import numpy as np

from ..extension import extension
from .rendering import Rendering

ROWS = 8  # of a tensor that are computed at once: they and their neighbours stay in the cache


class CpuRenderer:
    """A rendering ready for use; any number of threads may share it.

    Args:
        threads: how many to use; by default one for each core the process may run on.

    Raises:
        ImportError: the extension has not been built.
        ValueError: threads is not positive.
    """

    def __init__(self, rendering: Rendering, threads: int | None = None):
        if threads is not None and threads < 1:
            raise ValueError(f"threads must be at least 1, not {threads}")
        self.threads = threads or len(os.sched_getaffinity(0))
        self.rendering = rendering
        self._packed = extension().pixels.Rendering(rendering.tensors)

    def render(
        self,
        y: np.ndarray,
        mu: np.ndarray,
        indexes: np.ndarray,
        hyper: np.ndarray,
        quality: int,
        *,
        box: tuple[int, int, int, int] | None = None,
        transposed: bool = False,
        rows: int = ROWS,
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
            rows: changes the speed and the memory, never the pixels.

        Returns uint8 [height, width, 3] of the box, in the image's orientation.
        Raises ValueError for a wrong shape or type, or a number out of range.
        """
        block = self.rendering.block
        box = box or (0, 0, y.shape[1] * block, y.shape[2] * block)
        arrays = y, mu, indexes, hyper
        return self._packed.render(*arrays, quality, box, transposed, self.threads, rows)
