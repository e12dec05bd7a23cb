"""Decoded tiles kept in a folder, so that the next run on the same images starts in seconds.

    tiles-KEY-train.npy      uint8 (N, 3, S, S), mapped into memory, not read
    tiles-KEY-held_out.npy   uint8 (n, 3, S, S)

KEY changes with the images' names, sizes and times, with the options that shape tiles, and with
the code that makes them. Folders may be deleted at any time.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch

from ..files import write_with
from . import data, synthetic
from .config import Options
from .data import Tiles


def load(options: Options) -> Tiles:
    """`data.load`, from `options.cache` where there is one. Raises ValueError, OSError."""
    if options.cache is None:
        return data.load(options)
    options.cache.mkdir(parents=True, exist_ok=True)
    key = _key(options)
    paths = [options.cache / f"tiles-{key}-{name}.npy" for name in Tiles._fields]
    if not all(path.exists() for path in paths):
        for path, tensor in zip(paths, data.load(options), strict=True):
            write_with(path, lambda part, tensor=tensor: _write(part, tensor))
    return Tiles(*(_map(path) for path in paths))


def _write(path: Path, tensor: torch.Tensor) -> None:
    with path.open("wb") as file:  # np.save would add its suffix to a name
        np.save(file, tensor.numpy())


def _map(path: Path) -> torch.Tensor:
    """Copy on write: torch knows no read-only tensors."""
    return torch.from_numpy(np.load(path, mmap_mode="c"))


def _key(options: Options) -> str:
    shape = (options.tile, options.held_out, options.synthetic, options.seed)
    digest = hashlib.sha256(repr(shape).encode())
    for source in options.data:
        for path in data.paths(source):
            stat = path.stat()
            digest.update(f"{path} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    for module in (data, synthetic):
        digest.update(Path(module.__file__).read_bytes())
    return digest.hexdigest()[:16]
