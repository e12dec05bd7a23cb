"""The C++ engine, arrays in and out: csrc/ as `engine.Engine` has it. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ..errors import BitstreamError, caught
from ..inputs import check_threads
from ..threads import current
from .engine import Coded, Parameters, Part
from .extension import extension

Latents = tuple[np.ndarray, np.ndarray, int]  # y, z, quality
Item = tuple[Coded, int, int, int]  # and y's height and width, quality
Decoded = tuple[np.ndarray, np.ndarray, Parameters]  # y, z; the parameters are arrays too


class ArrayEngine:
    """See `engine.Engine`; where it has tensors, here are arrays of the same types and shapes.

    Args:
        tensors: a model's integers by name (FORMAT.md, section 2).
        threads: how many to use; by default those of the call (see `threads`).

    Raises:
        ImportError: the extension has not been built.
        ValueError: the model breaks a bound, or threads is not positive.
    """

    def __init__(self, tensors: Mapping[str, np.ndarray], slices: int, threads: int | None = None):
        self._threads = check_threads(threads)
        self._model = extension().Model(tensors, slices)

    @property
    def threads(self) -> int:
        return self._threads or current()

    def parameters(
        self, y: np.ndarray, z: np.ndarray, quality: int, part: Part | None = None
    ) -> Parameters:
        arrays, box = (_array(y, np.int16), _array(z, np.int16)), None
        if part is not None:
            rows, columns = part
            box = rows.start, columns.start, rows.stop, columns.stop
        return Parameters(*self._model.parameters(*arrays, box, quality, self.threads))

    def encode(self, items: Sequence[Latents]) -> list[tuple[Coded, Parameters]]:
        return self._share_out(self._encode, items)

    def decode(self, items: Sequence[Item]) -> list[Decoded | BitstreamError]:
        return self._share_out(lambda *item: caught(self._decode, *item), items)

    def decode_rows(
        self, items: Sequence[Item], rows: Sequence[int]
    ) -> list[tuple[np.ndarray, np.ndarray] | BitstreamError]:
        parts = [(*item, count) for item, count in zip(items, rows, strict=True)]
        return self._share_out(lambda *part: caught(self._latents, *part), parts)

    def cost(self, y: np.ndarray, z: np.ndarray, quality: int) -> float:
        arrays = _array(y, np.int16), _array(z, np.int16)
        return self._model.cost(*arrays, quality, self.threads)

    def _share_out(self, code: Callable, items: Sequence[tuple]) -> list:
        """code(threads, *item) of each: images share the threads, since a step of the wavefront
        has work for a few only. The extension lets go of the interpreter's lock."""
        threads = self.threads
        workers = min(len(items), threads)
        if workers <= 1:
            return [code(threads, *item) for item in items]
        with ThreadPoolExecutor(workers) as pool:
            return list(pool.map(lambda item: code(threads // workers, *item), items))

    def _encode(
        self, threads: int, y: np.ndarray, z: np.ndarray, quality: int
    ) -> tuple[Coded, Parameters]:
        lanes, groups, indexes, differences, segments, *arrays = self._model.encode(
            _array(y, np.int16), _array(z, np.int16), quality, threads
        )
        return Coded(lanes, groups, indexes, differences, segments), Parameters(*arrays)

    def _decode(self, threads: int, coded: Coded, height: int, width: int, quality: int) -> Decoded:
        y, z, *arrays = self._latents(threads, coded, height, width, quality, None)
        return y, z, Parameters(*arrays)

    def _latents(
        self, threads: int, coded: Coded, height: int, width: int, quality: int, rows: int | None
    ) -> tuple:
        return self._model.decode(
            coded.lanes,
            coded.groups,
            _array(coded.exception_indexes, np.int64),
            _array(coded.exception_differences, np.int16),
            coded.segments,
            height,
            width,
            rows,
            quality,
            threads,
        )


def _array(array: np.ndarray, dtype: type) -> np.ndarray:
    """In C order. Raises ValueError for another type."""
    if array.dtype != dtype:
        raise ValueError(f"expected an array of {np.dtype(dtype)}, not {array.dtype}")
    return np.ascontiguousarray(array)
