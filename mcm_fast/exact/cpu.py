"""The C++ engine: csrc/ behind `engine.Engine`. Tensors and arrays share memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from ..errors import BitstreamError, caught
from ..threads import current
from .engine import Coded, CodedItem, Decoded, Encoded, LatentsItem, Parameters
from .extension import extension
from .model import IntegerModel


class CpuEngine:
    """See `engine.Engine`.

    Args:
        threads: how many to use; by default those of the call (see `threads`).

    Raises:
        ImportError: the extension has not been built.
        ValueError: the model breaks a bound, or threads is not positive.
    """

    def __init__(self, model: IntegerModel, threads: int | None = None):
        if threads is not None and threads < 1:
            raise ValueError(f"threads must be at least 1, not {threads}")
        self._threads = threads
        tensors = {name: tensor.cpu().numpy() for name, tensor in model.tensors.items()}
        self._model = extension().Model(tensors, model.slices)

    @property
    def threads(self) -> int:
        return self._threads or current()

    def parameters(self, y: Tensor, z: Tensor, quality: int) -> Parameters:
        arrays = self._model.parameters(_latents(y), _latents(z), quality, self.threads)
        return _parameters(*arrays)

    def encode(self, items: Sequence[LatentsItem]) -> list[Encoded]:
        return self._share_out(self._encode, items)

    def decode(self, items: Sequence[CodedItem]) -> list[Decoded | BitstreamError]:
        return self._share_out(lambda *item: caught(self._decode, *item), items)

    def cost(self, y: Tensor, z: Tensor, quality: int) -> float:
        return self._model.cost(_latents(y), _latents(z), quality, self.threads)

    def _share_out(self, code: Callable, items: Sequence[tuple]) -> list:
        """code(threads, *item) of each: images share the threads, since a step of the wavefront
        has work for a few only. The extension lets go of the interpreter's lock."""
        threads = self.threads
        workers = min(len(items), threads)
        if workers <= 1:
            return [code(threads, *item) for item in items]
        with ThreadPoolExecutor(workers) as pool:
            return list(pool.map(lambda item: code(threads // workers, *item), items))

    def _encode(self, threads: int, y: Tensor, z: Tensor, quality: int) -> Encoded:
        lanes, groups, indexes, differences, segments, *arrays = self._model.encode(
            _latents(y), _latents(z), quality, threads
        )
        exceptions = torch.from_numpy(indexes), torch.from_numpy(differences)
        return Coded(lanes, groups, *exceptions, segments), _parameters(*arrays)

    def _decode(self, threads: int, coded: Coded, height: int, width: int, quality: int) -> Decoded:
        indexes, differences = coded.exception_indexes, coded.exception_differences
        y, z, *arrays = self._model.decode(
            coded.lanes,
            coded.groups,
            _array(indexes, torch.int64),
            _latents(differences),
            coded.segments,
            height,
            width,
            quality,
            threads,
        )
        return torch.from_numpy(y), torch.from_numpy(z), _parameters(*arrays)


def _parameters(mu: np.ndarray, indexes: np.ndarray, hyper: np.ndarray) -> Parameters:
    return Parameters(*map(torch.from_numpy, (mu, indexes, hyper)))


def _latents(tensor: Tensor) -> np.ndarray:
    return _array(tensor, torch.int16)


def _array(tensor: Tensor, dtype: torch.dtype) -> np.ndarray:
    """The tensor's memory as an array. Raises ValueError for another type."""
    if tensor.dtype != dtype:
        raise ValueError(f"expected a tensor of {dtype}, not {tensor.dtype}")
    return tensor.detach().cpu().contiguous().numpy()
