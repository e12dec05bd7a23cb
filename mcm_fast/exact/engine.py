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


Part = tuple[slice, slice]  # rows and columns of planes [C, h, w]
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

    def parameters(
        self, y: Tensor, z: Tensor, quality: int, part: Part | None = None
    ) -> Parameters:
        """All parameters in one pass over known latents; of a part of y, those of the part."""

    def encode(self, items: Sequence[LatentsItem]) -> list[Encoded]:
        """Codes the latents of each image, all sizes and qualities mixed."""

    def decode(self, items: Sequence[CodedItem]) -> list[Decoded | BitstreamError]:
        """The latents of each image and their parameters. A damaged stream spoils only itself: its
        BitstreamError is returned in its place."""

    def decode_rows(
        self, items: Sequence[CodedItem], rows: Sequence[int]
    ) -> list[tuple[Tensor, Tensor] | BitstreamError]:
        """y and z for a part of an image in tiles, without parameters: of each tile all of z, and
        so many first rows of y; the others are of no meaning. An engine may not look at a stream's
        end unless all rows are wanted."""

    def cost(self, y: Tensor, z: Tensor, quality: int) -> float:
        """The ideal code length in bits under the integer tables: -log2 of each coded symbol's
        frequency, 16 more for an escape's raw bits, 48 for each exception."""


def part_of(parameters: Parameters, part: Part | None) -> Parameters:
    """Those of a part of y, from those of all of it."""
    if part is None:
        return parameters
    planes = parameters.mu, parameters.indexes, parameters.hyper
    return Parameters(*(plane[:, part[0], part[1]].contiguous() for plane in planes))


def latents_of(
    decoded: Sequence[Decoded | BitstreamError],
) -> list[tuple[Tensor, Tensor] | BitstreamError]:
    return [each if isinstance(each, BitstreamError) else each[:2] for each in decoded]
