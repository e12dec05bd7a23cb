"""Latents of whole images to and from their coding tiles, each of which is an engine's item.

Planes are tensors, or arrays where no torch is. Imports no torch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .coding_tiles import BLOCK, BLOCK_Z, Sides, Tile, cut
from .exact.engine import Engine, LatentsItem, Parameters, Part
from .latents import Latents
from .limits import CODING_TILE, UNTILED_PIXELS

if TYPE_CHECKING:
    from torch import Tensor

    Planes = Tensor | np.ndarray


def sides_for(width: int, height: int, side: int | None) -> Sides | None:
    """The sides of the tiles of an image of coded size, for the option `tiles`; None: no tiles."""
    if side is None:
        side = 0 if width * height <= UNTILED_PIXELS else CODING_TILE
    return None if side == 0 or (width <= side and height <= side) else (side, side)


def items(latents: Latents) -> list[LatentsItem]:
    """What an engine encodes, tile by tile."""
    parts = []
    for tile in cut(*latents.coded_size, latents.sides):
        (rows, columns), (rows_z, columns_z) = tile.latents(), tile.latents(BLOCK_Z)
        y, z = latents.y[:, rows, columns], latents.z[:, rows_z, columns_z]
        parts.append((y, z, latents.quality_steps))
    return parts


def parameters(engine: Engine, latents: Latents) -> Parameters:
    """What the entropy model says of y, of the whole image: the tiles' own would show at their
    edges (0.17 dB within 32 pixels of them), whose contexts and hyper features end there."""
    if latents.parameters is not None:
        return latents.parameters
    return engine.parameters(latents.y, latents.z, latents.quality_steps)


def seen_by_entropy_model(window: Tile, width: int, height: int) -> Tile:
    """All that the entropy model sees of an image of coded size to speak of a window's y.

    Three 3x3 layers of the hyper-synthesis see 1 + 2 + 4 latents, contexts 3: 8, and what makes it
    whole latents of z.
    """
    return grown(window, 8 * BLOCK, BLOCK_Z, width, height)


def seen_by_contexts(window: Tile, width: int, height: int) -> Tile:
    """The y of it."""
    return grown(window, 3 * BLOCK, BLOCK, width, height)


def grown(window: Tile, reach: int, block: int, width: int, height: int) -> Tile:
    """With `reach` pixels more on each side, in whole blocks, as far as the image goes."""
    return Tile(
        max(0, (window.left - reach) // block * block),
        max(0, (window.top - reach) // block * block),
        min(width, -(-(window.right + reach) // block) * block),
        min(height, -(-(window.bottom + reach) // block) * block),
    )


def rows_seen(place: Tile, seen: Tile) -> int:
    """The first rows of a tile's y that hold all that is seen of it."""
    if not place.meets(seen):
        return 0
    return min(place.grid()[0], -(-(seen.bottom - place.top) // BLOCK))


def join(decoded: Sequence[Any], tiles: Sequence[Tile], window: Tile) -> tuple[Any, Any]:
    """y and z of a window that begins at whole latents of z."""
    ys, zs = zip(*(each[:2] for each in decoded), strict=True)
    return join_planes(ys, tiles, window), join_planes(zs, tiles, window, BLOCK_Z)


def place_of(window: Tile, whole: Tile) -> Part:
    """Where a window's latents lie in those of a larger one."""
    (rows, columns), (top, left) = window.latents(), (each.start for each in whole.latents())
    return (
        slice(rows.start - top, rows.stop - top),
        slice(columns.start - left, columns.stop - left),
    )


def join_parameters(parts: Sequence[Parameters], tiles: Sequence[Tile], window: Tile) -> Parameters:
    fields = [field.name for field in dataclasses.fields(Parameters)]
    planes = ([getattr(part, name) for part in parts] for name in fields)
    return Parameters(*(join_planes(each, tiles, window) for each in planes))


def join_planes(
    parts: Sequence[Any], tiles: Sequence[Tile], window: Tile, block: int = BLOCK
) -> Any:
    """Tiles' planes [C, h, w], one sample for `block` pixels -> the window's; zeros elsewhere."""
    if list(tiles) == [window]:
        return parts[0]
    rows, columns = window.latents(block)
    size = rows.stop - rows.start, columns.stop - columns.start
    out = _zeros((len(parts[0]), *size), parts[0])
    for part, tile in zip(parts, tiles, strict=True):
        (to_rows, from_rows), (to_columns, from_columns) = (
            _overlap(mine, its)
            for mine, its in zip((rows, columns), tile.latents(block), strict=True)
        )
        out[:, to_rows, to_columns] = part[:, from_rows, from_columns]
    return out


def _zeros(shape: tuple[int, ...], like: Planes) -> Planes:
    if isinstance(like, np.ndarray):
        return np.zeros(shape, like.dtype)
    return like.new_zeros(shape)


def _overlap(window: slice, tile: slice) -> tuple[slice, slice]:
    """What two ranges share, counted in each."""
    first, last = max(window.start, tile.start), max(0, min(window.stop, tile.stop))
    last = max(first, last)
    within = slice(first - window.start, last - window.start)
    return within, slice(first - tile.start, last - tile.start)
