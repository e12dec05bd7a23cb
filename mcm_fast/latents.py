"""The integer latents of one image: what the exact lane codes and decodes."""

from __future__ import annotations

import copy
import dataclasses
from typing import NamedTuple

import torch
from torch import Tensor

from .coding_tiles import BLOCK, Sides, Tile
from .exact.engine import Parameters
from .limits import QUALITY_STEPS


@dataclasses.dataclass(eq=False, frozen=True, repr=False)
class Latents:
    """y_hat and z_hat of one image, on any device, with what its header says.

    `width` and `height` are the image's as the user sees it; the latents belong to the transposed
    image when `transposed`, and so do `sides`, those of its coding tiles in pixels (None: it is
    one). `gray` says that the image has one channel. `parameters` caches what the entropy model
    says of y: it is not part of equality, is recomputed when absent, and `dataclasses.replace`
    leaves it behind. y and z are not to be written to.
    """

    y: Tensor  # int16 [M, ceil(h / 16), ceil(w / 16)]
    z: Tensor  # int16 [Nz, ceil(y's h / 4), ceil(y's w / 4)]
    width: int
    height: int
    quality_steps: int  # hundredths, 0 .. 10000
    transposed: bool
    parameters: Parameters | None = dataclasses.field(default=None, init=False)
    gray: bool = False
    sides: Sides | None = None

    def knowing(self, parameters: Parameters | None) -> Latents:
        """The same latents with what the entropy model says of them."""
        other = copy.copy(self)
        object.__setattr__(other, "parameters", parameters)
        return other

    @property
    def quality(self) -> float:
        """0 .. 100, as `compress` takes it."""
        return 100 * self.quality_steps / QUALITY_STEPS

    @property
    def grid(self) -> tuple[int, int]:
        """Height and width of y."""
        return grid(self.width, self.height, self.transposed)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Latents):
            return NotImplemented
        return self._header() == other._header() and all(
            torch.equal(a.cpu(), b.cpu()) for a, b in ((self.y, other.y), (self.z, other.z))
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        size = f"{self.width}x{self.height}, quality={self.quality:g}"
        return f"Latents({size}, y={tuple(self.y.shape)}, z={tuple(self.z.shape)})"

    @property
    def coded_size(self) -> tuple[int, int]:
        """Width and height of the image in coded orientation."""
        size = self.width, self.height
        return size[::-1] if self.transposed else size

    def _header(self) -> tuple[object, ...]:
        of_image = self.width, self.height, self.quality_steps
        return *of_image, self.transposed, self.gray, self.sides


class Painted(NamedTuple):
    """An image's latents, or those around a box of it, as a synthesis paints them."""

    y: Tensor  # int16 [M, h, w]
    parameters: Parameters
    box: Tile  # to paint, in coded orientation; pixels of y begin at 0, 0
    transposed: bool


def grid(width: int, height: int, transposed: bool) -> tuple[int, int]:
    """Height and width of y for an image."""
    if transposed:
        width, height = height, width
    return -(-height // BLOCK), -(-width // BLOCK)
