"""What the engines exchange with the codec and the container. Imports no torch: the planes of
`exact.arrays` are arrays of the same types and shapes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ..errors import BitstreamError

if TYPE_CHECKING:
    from torch import Tensor


@dataclasses.dataclass(frozen=True)
class Parameters:
    """What the entropy model says of each latent; decoding yields it on the way."""

    mu: Tensor  # int16 [M, h, w], in sixteenths
    indexes: Tensor  # uint8 [M, h, w], into the ladder of sigmas
    hyper: Tensor  # int8 [F, h, w], the hyper-synthesis' features


@dataclasses.dataclass(frozen=True)
class Coded:
    """The coded latents of one image: what a container's payload holds."""

    lanes: int  # of a group
    groups: int
    exception_indexes: np.ndarray  # int64 [E], increasing
    exception_differences: np.ndarray  # int16 [E]
    segments: list[bytes]  # for each group: its states, then its words


EXCEPTION_BITS = 48  # that each exception takes in a stream

LatentsItem = tuple["Tensor", "Tensor", int]  # y, z, quality
CodedItem = tuple[Coded, int, int, int]  # and y's height and width, quality
Encoded = tuple[Coded, Parameters]
Decoded = tuple["Tensor", "Tensor", Parameters]  # y, z


class Engine(Protocol):
    """y is int16 [M, h, w], z int16 [Nz, ceil(h/4), ceil(w/4)], quality 0..10000.

    Tensors may come from any device; latents and parameters come back on the engine's own. Equal
    arguments give equal results on every engine, whatever its threads or device.
    """

    def parameters(self, y: Tensor, z: Tensor, quality: int) -> Parameters:
        """All parameters in one pass over known latents."""

    def encode(self, items: Sequence[LatentsItem]) -> list[Encoded]:
        """Codes the latents of each image, all sizes and qualities mixed."""

    def decode(self, items: Sequence[CodedItem]) -> list[Decoded | BitstreamError]:
        """The latents of each image and their parameters. A damaged stream spoils only itself: its
        BitstreamError is returned in its place."""

    def cost(self, y: Tensor, z: Tensor, quality: int) -> float:
        """The ideal code length in bits under the integer tables: -log2 of each coded symbol's
        frequency, 16 more for an escape's raw bits, 48 for each exception."""
