"""The C++ engine for torch: `arrays.ArrayEngine`, whose arrays share the tensors' memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ..errors import BitstreamError
from .arrays import ArrayEngine
from .engine import CodedItem, Decoded, Encoded, LatentsItem, Parameters, Part
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
        tensors = {name: tensor.cpu().numpy() for name, tensor in model.tensors.items()}
        self._engine = ArrayEngine(tensors, model.slices, threads)

    @property
    def threads(self) -> int:
        return self._engine.threads

    def parameters(
        self, y: Tensor, z: Tensor, quality: int, part: Part | None = None
    ) -> Parameters:
        return _tensors(self._engine.parameters(_array(y), _array(z), quality, part))

    def encode(self, items: Sequence[LatentsItem]) -> list[Encoded]:
        coded = self._engine.encode([(_array(y), _array(z), quality) for y, z, quality in items])
        return [(each, _tensors(parameters)) for each, parameters in coded]

    def decode(self, items: Sequence[CodedItem]) -> list[Decoded | BitstreamError]:
        return [
            each if isinstance(each, BitstreamError) else _decoded(*each)
            for each in self._engine.decode(items)
        ]

    def decode_rows(
        self, items: Sequence[CodedItem], rows: Sequence[int]
    ) -> list[tuple[Tensor, Tensor] | BitstreamError]:
        return [
            each
            if isinstance(each, BitstreamError)
            else (torch.from_numpy(each[0]), torch.from_numpy(each[1]))
            for each in self._engine.decode_rows(items, rows)
        ]

    def cost(self, y: Tensor, z: Tensor, quality: int) -> float:
        return self._engine.cost(_array(y), _array(z), quality)


def _decoded(y: np.ndarray, z: np.ndarray, parameters: Parameters) -> Decoded:
    return torch.from_numpy(y), torch.from_numpy(z), _tensors(parameters)


def _tensors(of: Parameters) -> Parameters:
    return Parameters(*map(torch.from_numpy, (of.mu, of.indexes, of.hyper)))


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy()
