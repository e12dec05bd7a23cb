"""Hugging Face `datasets`: a column `Image()` of streams works once this module is imported, for it
reads by Pillow; `decode` and `encode` work on batches of a column of bytes.

    dataset = dataset.map(encode("image", "mcm"), batched=True, remove_columns="image")
    dataset.set_transform(decode("mcm"))                             # tensors (C, H, W)
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from .. import pillow  # noqa: F401  (what makes `datasets.Image` read streams)
from ..presets import FAITHFUL
from . import pictures
from .pictures import Kind, check_kind

Batch = dict[str, list[Any]]


def decode(
    column: str, kind: Kind = "torch", rendering: str = FAITHFUL
) -> Callable[[Batch], Batch]:
    """A transform for `set_transform` or `map`: the column's streams become pictures, "torch"
    (C, H, W), "numpy" (H, W, C) or "pil", painted by a rendering of their model."""
    return partial(_decode, column=column, kind=check_kind(kind), rendering=rendering)


def encode(
    column: str, into: str = "mcm", quality: float = 50.0, effort: int = 0
) -> Callable[[Batch], Batch]:
    """A function for `map(batched=True)`: the column's pictures become streams in column `into`."""
    return partial(_encode, column=column, into=into, quality=quality, effort=effort)


def _decode(batch: Batch, column: str, kind: Kind, rendering: str) -> Batch:
    if column not in batch:  # another column alone was asked for
        return batch
    decoded = [pictures.decode(stream, kind, rendering) for stream in batch[column]]
    return {**batch, column: decoded}


def _encode(batch: Batch, column: str, into: str, quality: float, effort: int) -> Batch:
    return {into: [pictures.encode(image, quality, effort) for image in batch[column]]}
