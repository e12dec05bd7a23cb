"""The integer latents of one image: what the exact lane codes and decodes."""

from __future__ import annotations

import copy
import dataclasses
from typing import TYPE_CHECKING, NamedTuple

from .coding_tiles import BLOCK, Sides, Tile, are_sides, count
from .exact.engine import Parameters
from .inputs import whole_number
from .limits import MAX_SIDE, QUALITY_STEPS

if TYPE_CHECKING:
    from torch import Tensor


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
        import torch  # here, so that what decodes without it can name this class

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
    parameters: Parameters | None  # None for a painter that does not ask for them
    box: Tile  # to paint, in coded orientation; pixels of y begin at 0, 0
    transposed: bool


def grid(width: int, height: int, transposed: bool) -> tuple[int, int]:
    """Height and width of y for an image."""
    if transposed:
        width, height = height, width
    return -(-height // BLOCK), -(-width // BLOCK)


def check_latents(latents: Latents, channels: tuple[int, int]) -> Latents:
    """Latents that a model of so many channels of y and of z can code."""
    from .tensor_inputs import kind_of  # torch

    if not isinstance(latents, Latents):
        raise ValueError(f"latents are mcm_fast.Latents, not {type(latents).__name__}")
    _check_header(latents)
    size = latents.grid
    z_size = tuple(-(-side // 4) for side in size)
    shapes = (channels[0], *size), (channels[1], *z_size)
    for name, tensor, shape in zip("yz", (latents.y, latents.z), shapes, strict=True):
        if kind_of(tensor) != f"torch.int16 {shape}":
            raise ValueError(f"latents.{name} is {kind_of(tensor)}, not torch.int16 {shape}")
    return latents


def _check_header(latents: Latents) -> None:
    steps = latents.quality_steps
    if whole_number(steps) is None or not 0 <= steps <= QUALITY_STEPS:
        raise ValueError(f"latents.quality_steps is {steps!r}, not in 0..{QUALITY_STEPS}")
    for name in ("width", "height"):
        side = whole_number(getattr(latents, name))
        if side is None or not 1 <= side <= MAX_SIDE:
            raise ValueError(f"latents.{name} is {getattr(latents, name)!r}, not in 1..2^32-1")
    for name in ("transposed", "gray"):
        if not isinstance(getattr(latents, name), bool):
            raise ValueError(f"latents.{name} is {getattr(latents, name)!r}, not True or False")
    sides = latents.sides
    if sides is None:
        return
    pair = isinstance(sides, tuple) and len(sides) == 2 and None not in map(whole_number, sides)
    if not pair or not are_sides(sides) or count(*latents.coded_size, sides) < 2:
        raise ValueError(f"latents.sides is {sides!r}: no sides of several coding tiles")
