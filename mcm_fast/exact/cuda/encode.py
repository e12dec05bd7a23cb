"""Encoding on a device: latents -> parameters -> segments, for all images of a batch at once.

Memory is new each time. Two copies come back: how long everything is, then everything.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ..engine import EXCEPTION_BITS, Coded, Encoded, LatentsItem, Parameters
from ..model import LIMIT, IntegerModel
from ..rans import MAX_GROUPS, MAX_LANES, RAW_BITS, SYMBOL_BITS
from .batch import Batch, starts
from .device import bring, launch, launchers, send
from .layers import Arrays, Layers


class Encoder:
    """`tables`: what the coder's launchers are told of them."""

    def __init__(self, model: IntegerModel, layers: Layers, tables: Arrays):
        self.model, self.layers, self.tables = model, layers, tables
        self.device = layers.device

    def parameters(self, items: Sequence[LatentsItem]) -> list[Parameters]:
        """`Engine.parameters` of each item."""
        batch = self._batch(items)
        return self._context(batch, send(batch.arrays, self.device), items)[1]

    def encode(self, items: Sequence[LatentsItem]) -> list[Encoded]:
        """`Engine.encode`."""
        coding, parameters = self.code(items)
        names = "latent_at", "exceptions", "lanes", "groups", "segment_size"
        *counts, sizes = bring([coding[name] for name in names])
        at, counts, lanes, groups = (t.tolist() for t in counts)
        used = [slice(first, first + count) for first, count in zip(at, counts, strict=True)]
        payload, indexes, differences = bring(
            [
                coding["payload"][: int(sizes.sum())],
                torch.cat([coding["exception_index"][here] for here in used]),
                torch.cat([coding["exception_difference"][here] for here in used]),
            ]
        )
        segments = _cut(payload.numpy().tobytes(), sizes)
        pairs = zip(indexes.split(counts), differences.split(counts), strict=True)
        rows = zip(lanes, groups, pairs, segments, parameters, strict=True)
        return [
            (Coded(lanes, groups, *_sorted(*pair), parts), parameters)
            for lanes, groups, pair, parts, parameters in rows
        ]

    def code(self, items: Sequence[LatentsItem]) -> tuple[Arrays, list[Parameters]]:
        """The fields of the struct Encoding (csrc/warp/launchers.h), and y's parameters."""
        batch = self._batch(items)
        at = starts(batch.latents)
        tile_at = starts(-(-batch.latents // launchers(self.device).TILE))
        on = send(
            batch.arrays | {"latent_at": at[:-1], "tile_at": tile_at.astype("int32")}, self.device
        )
        (y, z, *picks), parameters = self._context(batch, on, items)
        coding = {
            "images": len(items),
            "y_channels": self.model.y_channels,
            "z_channels": self.model.z_channels,
            "tiles": int(tile_at[-1]),
            **self.tables,
            **on,
            **dict(zip(("tables", "bases", "places"), picks, strict=True)),
            "y": y,
            "z": z,
            **self._memory(len(items), int(tile_at[-1]), int(at[-1])),
        }
        launch(self.device, "encode", coding)
        return coding, parameters

    def cost(self, item: LatentsItem) -> float:
        """`Engine.cost`. A visit is one word, as csrc/rans.h says."""
        coding, _ = self.code([item])
        count, exceptions = bring([coding["visit_count"], coding["exceptions"]])
        visits = coding["visits"][: int(count)].long()
        frequency, escapes = visits >> 16 & ((1 << SYMBOL_BITS) - 1), visits < 0
        bits = SYMBOL_BITS - frequency.double().log2() + RAW_BITS * escapes
        return float(bits.sum()) + EXCEPTION_BITS * int(exceptions)

    def _batch(self, items: Sequence[LatentsItem]) -> Batch:
        return Batch(self.model, [(*y.shape[1:], quality) for y, _, quality in items])

    def _context(
        self, batch: Batch, on: Arrays, items: Sequence[LatentsItem]
    ) -> tuple[tuple[Tensor, ...], list[Parameters]]:
        """y, z, tables, bases and places of all images; the parameters of each."""
        layers, positions = self.layers, batch.positions
        to = {"device": self.device, "dtype": torch.int16}
        z = torch.cat([z.to(**to).flatten() for _, z, _ in items])
        _, hyper, mu, indexes = layers.fields(positions)
        y = torch.cat([y.to(**to).permute(1, 2, 0).flatten(0, 1) for y, _, _ in items])
        picks = layers.picks(positions * self.model.y_channels)
        affine = layers.affine(len(items))
        layers.affine_at(on["quality"], affine)
        features = *layers.between(batch.z_positions), hyper
        layers.hyper_synthesis(z, (batch.z_largest, batch.largest), on, affine, features)
        seen = y.clamp(-LIMIT, LIMIT).to(torch.int8)
        layers.context_all((seen, hyper, mu, indexes), picks, batch, on, affine)
        images = zip(*(batch.planar(t) for t in (mu, indexes, hyper)), strict=True)
        return (y, z, *picks), [Parameters(*parts) for parts in images]

    def _memory(self, images: int, tiles: int, latents: int) -> Arrays:
        """Scratch and results of `encode`."""
        empty, states = self.layers.empty, MAX_LANES * MAX_GROUPS
        words = 2 * latents + 2 * states * images
        return {
            "tile_counts": empty(tiles, 2),
            "visits": empty(latents),
            "raw": empty(latents, dtype=torch.int16),
            **{name: empty(words, dtype=torch.int16) for name in ("words", "payload")},
            **{name: empty(images) for name in ("visit_count", "first_words")},
            **{name: empty(images) for name in ("lanes", "groups", "exceptions")},
            "states": empty(images, states),
            "segment_size": empty(images, MAX_GROUPS),
            "exception_index": empty(latents, dtype=torch.int64),
            "exception_difference": empty(latents, dtype=torch.int16),
        }


def _cut(payload: bytes, sizes: Tensor) -> list[list[bytes]]:
    """The segments of each image; sizes [images, groups] in words, 0 beyond the last group."""
    sizes = 2 * sizes.long()
    ends = sizes.flatten().cumsum(0).view_as(sizes)
    rows = zip(sizes.tolist(), ends.tolist(), strict=True)
    return [
        [payload[end - size : end] for size, end in zip(*row, strict=True) if size] for row in rows
    ]


def _sorted(indexes: Tensor, differences: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Exceptions in the order of their indexes."""
    order = indexes.argsort()
    return indexes[order].numpy(), differences[order].numpy()
