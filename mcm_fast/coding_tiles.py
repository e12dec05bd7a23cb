"""Coding tiles: rectangles of an image that are coded each as an image of its own.

They cut the grid of latents, in coded (transposed) orientation, row by row. Sides are multiples of
64 pixels, so that each tile has its own whole latents of z. The transforms know nothing of them.
"""

from __future__ import annotations

from typing import NamedTuple

from .limits import TILE_UNIT

BLOCK = 16  # pixels along the side of a latent of y
BLOCK_Z = 64  # and of z
Sides = tuple[int, int]  # width and height of a tile in pixels, coded orientation


class Tile(NamedTuple):
    """A rectangle of pixels in coded orientation, whose left and top are multiples of 16."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def pixels(self) -> int:
        return (self.right - self.left) * (self.bottom - self.top)

    def latents(self, block: int = BLOCK) -> tuple[slice, slice]:
        """Its rows and columns of y, or of z for blocks of 64."""
        rows = slice(self.top // block, -(-self.bottom // block))
        return rows, slice(self.left // block, -(-self.right // block))

    def grid(self) -> tuple[int, int]:
        """Height and width of its y."""
        rows, columns = self.latents()
        return rows.stop - rows.start, columns.stop - columns.start

    def meets(self, other: Tile) -> bool:
        across = self.left < other.right and other.left < self.right
        return across and self.top < other.bottom and other.top < self.bottom

    def turned(self, transposed: bool) -> Tile:
        """The same rectangle in the other orientation, if `transposed`."""
        return Tile(self.top, self.left, self.bottom, self.right) if transposed else self

    def divided(self, scale: int) -> Tile:
        """The pixels of the image at 1/scale that it touches."""
        right, bottom = -(-self.right // scale), -(-self.bottom // scale)
        return Tile(self.left // scale, self.top // scale, right, bottom)


def count(width: int, height: int, sides: Sides | None) -> int:
    """How many tiles there are of an image of coded width and height."""
    if sides is None:
        return 1
    return -(-width // sides[0]) * -(-height // sides[1])


def cut(width: int, height: int, sides: Sides | None) -> list[Tile]:
    """The tiles of an image of coded width and height; all of it for no sides."""
    across, down = sides or (width, height)
    return [
        Tile(left, top, min(left + across, width), min(top + down, height))
        for top in range(0, height, down)
        for left in range(0, width, across)
    ]


def are_sides(sides: Sides) -> bool:
    return all(side > 0 and side % TILE_UNIT == 0 for side in sides)
