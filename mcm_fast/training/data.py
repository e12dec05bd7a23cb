"""Images decoded once and held as uint8 tiles, and the random crops of a step.

The crops of step s depend on the seed and on s alone, so a resumed run needs no sampler state.
"""

from __future__ import annotations

import io
import tarfile
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from . import synthetic
from .config import Options

_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".ppm"}
_HELD_OUT = 64  # one image in so many is never trained on, chosen by its bytes


class Tiles(NamedTuple):
    train: Tensor  # uint8 (N, 3, S, S)
    held_out: Tensor  # uint8 (n, 3, S, S)


class Plan(NamedTuple):
    """The random choices of one step, on the host."""

    geometry: Tensor  # int64 (N, 6): image, top, left, flip rows, flip columns, transpose
    level: Tensor  # float32 (N,)


def load(options: Options) -> Tiles:
    """Decode every image with a thread a core. Raises ValueError if nothing is left to train on."""
    train: list[np.ndarray] = []
    held_out: list[np.ndarray] = []
    small = 0
    with ThreadPoolExecutor() as pool:
        files = _files(options.data)
        for data, tiles in pool.map(lambda f: (f, _tiles(f, options.tile)), files):
            small += not tiles
            (train if zlib.crc32(data) % _HELD_OUT else held_out).extend(tiles)
    if len(train) < options.batch:
        raise ValueError(
            f"{len(train)} tiles of {options.tile} pixels in {[str(p) for p in options.data]} "
            f"({small} images are smaller), fewer than a batch of {options.batch}"
        )
    held_out = held_out or train[:1]
    stack = [
        torch.from_numpy(np.stack(t)).permute(0, 3, 1, 2).contiguous() for t in (train, held_out)
    ]
    if options.synthetic:
        count = round(len(train) * options.synthetic / (1 - options.synthetic))
        stack[0] = torch.cat((stack[0], synthetic.tiles(stack[0], count, options.seed)))
    return Tiles(stack[0], stack[1][: options.held_out])


def paths(source: Path) -> list[Path]:
    """The files of a folder in the order of their names, or the file itself."""
    return [p for p in sorted(source.rglob("*")) if p.is_file()] if source.is_dir() else [source]


def _files(sources: tuple[Path, ...]) -> Iterator[bytes]:
    """The bytes of every image in folders and tar shards, in the order of their names."""
    for source in sources:
        for path in paths(source):
            if path.suffix == ".tar":
                with tarfile.open(path) as shard:
                    for member in shard:
                        if Path(member.name).suffix.lower() in _SUFFIXES:
                            yield shard.extractfile(member).read()
            elif path.suffix.lower() in _SUFFIXES:
                yield path.read_bytes()


def _tiles(file: bytes, size: int) -> list[np.ndarray]:
    """The tiles [S, S, 3] of an image, side by side around its centre; none if it is smaller."""
    from PIL import Image

    image = np.asarray(Image.open(io.BytesIO(file)).convert("RGB"))
    rows, columns = (side // size for side in image.shape[:2])
    top, left = (image.shape[0] - rows * size) // 2, (image.shape[1] - columns * size) // 2
    corners = [(top + size * i, left + size * j) for i in range(rows) for j in range(columns)]
    return [image[y : y + size, x : x + size] for y, x in corners]


class Sampler:
    """Crops without replacement within an epoch, each at a random level."""

    def __init__(self, options: Options, tiles: int, levels: int, rank: int = 0, world: int = 1):
        self.options, self.tiles, self.levels = options, tiles, levels
        self.rank, self.world = rank, world
        self._epoch = lru_cache(maxsize=2)(self._shuffled)

    def _shuffled(self, epoch: int) -> np.ndarray:
        return np.random.default_rng((self.options.seed, 1, epoch)).permutation(self.tiles)

    def __call__(self, step: int) -> Plan:
        n = self.options.batch
        rng = np.random.default_rng((self.options.seed, 2, self.rank, step))
        numbers = (step * self.world + self.rank) * n + np.arange(n)
        images = [self._epoch(i // self.tiles)[i % self.tiles] for i in numbers.tolist()]
        corner = rng.integers(0, self.options.tile - self.options.crop + 1, (n, 2))
        flips = rng.integers(0, 2, (n, 3))
        geometry = np.concatenate((np.array(images)[:, None], corner, flips), 1)
        return Plan(torch.from_numpy(geometry), torch.from_numpy(self._levels(rng, n)))

    def _levels(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """One level from each n-th of the range, a little beyond it clamped to the extremes.

        `ends` moves them outwards, as far as cosine spacing (dense at both ends) for 1.
        """
        top, beyond, ends = self.levels - 1, 0.25, self.options.ends
        place = (np.arange(n) + rng.random(n)) / n
        place = (1 - ends) * place + ends * (1 - np.cos(np.pi * place)) / 2
        level = place * (top + 2 * beyond) - beyond
        whole = rng.random(n) < self.options.whole_levels
        level = np.where(whole, np.round(level), level)
        return level.clip(0, top).astype(np.float32)


def crop(tiles: Tensor, geometry: Tensor, size: int) -> Tensor:
    """uint8 tiles (M, 3, S, S), geometry (N, 6) -> float crops (N, 3, size, size) in [0, 1].

    One gather: pixel (i, j) of a crop is looked up through its flips and its transposition.
    """
    image, top, left, flip_rows, flip_columns, transpose = (
        g[:, None, None] for g in geometry.unbind(1)
    )
    ramp = torch.arange(size, device=tiles.device)
    i, j = ramp[None, :, None], ramp[None, None, :]
    i = torch.where(flip_rows > 0, size - 1 - i, i)
    j = torch.where(flip_columns > 0, size - 1 - j, j)
    row, column = torch.where(transpose > 0, j, i), torch.where(transpose > 0, i, j)
    side = tiles.shape[-1]
    place = (top + row) * side + left + column
    offset = (image * 3 + torch.arange(3, device=tiles.device)[:, None, None, None]) * side * side
    index = (offset + place).transpose(0, 1)
    return tiles.view(-1)[index].float() / 255


def centre(tiles: Tensor, size: int) -> Tensor:
    """uint8 tiles (M, 3, S, S) -> their centres (M, 3, size, size) in [0, 1]."""
    start = (tiles.shape[-1] - size) // 2
    return tiles[..., start : start + size, start : start + size].float() / 255
