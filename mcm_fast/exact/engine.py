"""What the engines exchange with the codec and the container."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

from ..errors import BitstreamError


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
    exception_indexes: Tensor  # int64 [E], increasing
    exception_differences: Tensor  # int16 [E]
    segments: list[bytes]  # for each group: its states, then its words


class Engine(Protocol):
    """y is int16 [M, h, w], z int16 [Nz, ceil(h/4), ceil(w/4)], quality 0..10000.

    Tensors may come from any device; latents and parameters come back on the engine's own. Equal
    arguments give equal results on every engine, whatever its threads or device.
    """

    def parameters(self, y: Tensor, z: Tensor, quality: int) -> Parameters:
        """All parameters in one pass over known latents."""

    def encode(self, y: Tensor, z: Tensor, quality: int) -> tuple[Coded, Parameters]:
        """Code the latents."""

    def decode(
        self, coded: Coded, height: int, width: int, quality: int
    ) -> tuple[Tensor, Tensor, Parameters]:
        """y (of height x width), z and the parameters. Raises BitstreamError on damage."""

    def encode_batch(
        self, items: Sequence[tuple[Tensor, Tensor, int]]
    ) -> list[tuple[Coded, Parameters]]:
        """`encode` of each (y, z, quality), all sizes and qualities mixed."""

    def decode_batch(
        self, items: Sequence[tuple[Coded, int, int, int]]
    ) -> list[tuple[Tensor, Tensor, Parameters] | BitstreamError]:
        """`decode` of each (coded, height, width, quality). A damaged stream spoils only itself:
        its BitstreamError is returned in its place."""

    def cost(self, y: Tensor, z: Tensor, quality: int) -> float:
        """The ideal code length in bits under the integer tables: -log2 of each coded symbol's
        frequency, 16 more for an escape's raw bits, 48 for each exception."""
