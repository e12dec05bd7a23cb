"""A second reader of `.mcm`, version 1, written from FORMAT.md alone: small, slow, nothing of ours.

    z, y = latents(stream, model file)      int64 [channel, row, column] of the whole image

Section numbers are FORMAT.md's; second_container.py reads the container. Raises ValueError for
anything that a reader must refuse.
"""

import struct
import zlib
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file
from second_container import Tile, need, read_container


class Model:
    """Section 2 at one quality: layers of weight, multiplier and bias; tables."""

    def __init__(self, path: Path, quality: int):
        self.t = t = load_file(path)
        levels = len(t["multiplier"])
        pos = quality * (levels - 1)
        low = min(pos // 10000, levels - 2)
        f = pos - 10000 * low
        m, b = (self._between(t[name].astype(np.int64), low, f) for name in ("multiplier", "bias"))
        self.layers, at = {}, 0
        for name in self._names():
            weight = t[f"{name}.weight"].astype(np.int64)
            rows = slice(at, at + len(weight))
            self.layers[name] = weight.reshape(len(weight), -1), m[rows], b[rows]
            at += len(weight)
        self.z_level = (2 * pos + 10000) // 20000
        self.nz, self.channels = t["hyper.0.weight"].shape[1], t["slice.0.context3.weight"].shape[2]
        self.cdf, self.start = t["tables.cdf"].tolist(), t["tables.start"].tolist()
        self.minimum = t["tables.minimum"].tolist()
        self.shift, self.first = t["tables.shift"].tolist(), t["tables.first"].tolist()
        self.z_tables = len(self.start) - 1 - levels * self.nz + self.z_level * self.nz

    @staticmethod
    def _between(rows: np.ndarray, low: int, f: int) -> np.ndarray:
        return rows[low] + ((rows[low + 1] - rows[low]) * f + 5000) // 10000

    @staticmethod
    def _names() -> list[str]:
        parts = "context3", "context5", "context7", "previous", "hidden", "head"
        slices = [f"slice.{k}.{p}" for k in range(8) for p in parts if k or p != "previous"]
        return ["hyper.0", "hyper.1", "hyper.2", *slices]

    def layer(self, name: str, x: np.ndarray) -> np.ndarray:
        """Section 3 without activation, x: [inputs, positions]."""
        weight, m, b = self.layers[name]
        return (weight @ x * m[:, None] + b[:, None]) >> 24

    def active(self, name: str, x: np.ndarray) -> np.ndarray:
        v = self.layer(name, x)
        return np.clip(np.maximum(v, (v + 2) >> 2), -127, 127)


def hyper_synthesis(model: Model, z: np.ndarray, h: int, w: int) -> np.ndarray:
    x = np.clip(z, -127, 127)
    for name in ("hyper.0", "hyper.1", "hyper.2"):
        rows, columns = x.shape[1:]
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1)), "edge")
        taps = [padded[:, i : i + rows, j : j + columns] for i in range(3) for j in range(3)]
        patches = np.stack(taps, 1).reshape(9 * len(x), -1)
        x = model.active(name, patches).reshape(-1, rows, columns)
        if name != "hyper.2":
            x = x.reshape(-1, 2, 2, rows, columns).transpose(0, 3, 1, 4, 2)
            x = x.reshape(-1, 2 * rows, 2 * columns)
    return x[:, :h, :w]


class Coder:
    """Section 6, and section 5's symbols."""

    def __init__(self, model: Model, tile: Tile):
        self.model, self.lanes, self.visit, self.latent = model, tile.lanes, 0, 0
        at = 6 * tile.exceptions
        pairs = list(struct.iter_unpack("<Ih", tile.payload[:at]))
        need(all(a < b for (a, _), (b, _) in zip(pairs, pairs[1:], strict=False)), "exceptions")
        need(all(difference for _, difference in pairs), "a difference of 0")
        self.exceptions, self.states, self.words = dict(pairs), [], []
        for n in tile.words:
            self.states += struct.unpack_from(f"<{tile.lanes}I", tile.payload, at)
            at += 4 * tile.lanes
            self.words.append(list(struct.unpack_from(f"<{n}H", tile.payload, at))[::-1])
            at += 2 * n

    def symbol(self, table: int, base: int, index: int) -> int:
        """The latent number `index` (in z, then y) under a table and a base."""
        model = self.model
        start, end = model.start[table], model.start[table + 1]
        minimum = base + model.minimum[table]
        if end - start == 2:
            return wrapped(minimum + self.exceptions.pop(index, 0))
        lane = self.visit % len(self.states)
        self.visit += 1
        cdf = [*model.cdf[start:end], 1 << 14]
        slot = self.states[lane] & 0x3FFF
        entry = max(e for e in range(len(cdf) - 1) if cdf[e] <= slot)
        self.advance(lane, cdf[entry], cdf[entry + 1] - cdf[entry], 14)
        if entry < end - start - 1:
            return wrapped(minimum + entry)
        raw = self.states[lane] & 0xFFFF
        self.advance(lane, raw, 1, 16)
        return wrapped(raw)

    def advance(self, lane: int, start: int, frequency: int, bits: int) -> None:
        x = self.states[lane]
        x = frequency * (x >> bits) + (x & ((1 << bits) - 1)) - start
        if x < 1 << 16:
            words = self.words[lane // self.lanes]
            need(bool(words), "a group has too few words")
            x = x << 16 | words.pop()
        self.states[lane] = x

    def finish(self) -> None:
        need(all(x == 1 << 16 for x in self.states) and not any(self.words), "final states")
        need(not self.exceptions, "an exception of a coded latent")


def wrapped(value: int) -> int:
    return (value + 0x8000) % 0x10000 - 0x8000


def decode_tile(model: Model, tile: Tile) -> tuple[np.ndarray, np.ndarray]:
    h, w = -(-tile.height // 16), -(-tile.width // 16)
    hz, wz = -(-h // 4), -(-w // 4)
    coder, size = Coder(model, tile), model.channels
    z = [
        coder.symbol(model.z_tables + c, 0, c * hz * wz + n)
        for c in range(model.nz)
        for n in range(hz * wz)
    ]
    z = np.array(z).reshape(model.nz, hz, wz)
    hyper = hyper_synthesis(model, z, h, w)
    y = np.zeros((8 * size, h, w), np.int64)
    seen = np.zeros((8 * size, h + 6, w + 6), np.int64)  # clamped, with the zeros around it
    for t in range(w + 4 * (h - 1) + 6 * 7):
        for k in range(8):
            rows = [row for row in range(h) if 0 <= t - 4 * row - 6 * k < w]
            columns = [t - 4 * row - 6 * k for row in rows]
            if rows:
                decode_step(model, coder, hyper, y, seen, k, np.array(rows), np.array(columns))
    coder.finish()
    return z, y


def decode_step(model, coder, hyper, y, seen, k, rows, columns) -> None:
    """All latents of slice k with one t (section 5)."""
    size, (_, h, w) = model.channels, y.shape
    inputs = [hyper[:, rows, columns]]
    own = seen[k * size : (k + 1) * size]
    for name, radius in (("context3", 1), ("context5", 2), ("context7", 3)):
        taps = [(dy, dx) for dy in range(-radius, 1) for dx in range(-radius, radius + 1)]
        taps = taps[: taps.index((0, 0))]
        around = [own[:, rows + 3 + dy, columns + 3 + dx] for dy, dx in taps]
        inputs.append(model.active(f"slice.{k}.{name}", np.concatenate(around)))
    if k:
        taps = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
        around = [seen[: k * size, rows + 3 + dy, columns + 3 + dx] for dy, dx in taps]
        inputs.append(model.active(f"slice.{k}.previous", np.concatenate(around)))
    head = model.layer(f"slice.{k}.head", model.active(f"slice.{k}.hidden", np.concatenate(inputs)))
    mus = np.clip(head[:size], -32768, 32767).tolist()
    indexes = np.clip(head[size:], 0, len(model.shift) - 1).tolist()
    offset = model.nz * -(-h // 4) * -(-w // 4)
    for n, (row, column) in enumerate(zip(rows.tolist(), columns.tolist(), strict=True)):
        for c in range(size):
            mu, index = mus[c][n], indexes[c][n]
            s = model.shift[index]
            step = mu if s == 0 else (mu + (1 << (s - 1))) >> s
            table = model.first[index] + (step & ((1 << (4 - s)) - 1))
            number = offset + ((k * size + c) * h + row) * w + column
            value = coder.symbol(table, step >> (4 - s), number)
            y[k * size + c, row, column] = value
            seen[k * size + c, row + 3, column + 3] = min(127, max(-127, value))


def latents(data: bytes, model_file: Path) -> tuple[np.ndarray, np.ndarray]:
    """z and y of the whole image."""
    stream = read_container(data)
    model = Model(model_file, stream.quality)
    h, w = -(-stream.height // 16), -(-stream.width // 16)
    z = np.zeros((model.nz, -(-h // 4), -(-w // 4)), np.int64)
    y = np.zeros((8 * model.channels, h, w), np.int64)
    for tile in stream.tiles:
        for plane, part, block in zip((z, y), decode_tile(model, tile), (64, 16), strict=True):
            top, left = tile.top // block, tile.left // block
            plane[:, top : top + part.shape[1], left : left + part.shape[2]] = part
    return z, y


def alpha(data: bytes) -> np.ndarray | None:
    """uint8 (H, W) as the user sees it."""
    stream = read_container(data)
    if not stream.tiles[0].alpha:
        return None
    plane = np.zeros((stream.height, stream.width), np.uint8)
    for tile in stream.tiles:
        rows = unfiltered(tile)
        plane[tile.top : tile.top + tile.height, tile.left : tile.left + tile.width] = rows
    return plane.T if stream.transposed else plane


def unfiltered(tile: Tile) -> np.ndarray:
    content = zlib.decompress(tile.alpha)
    need(len(content) == tile.height * (tile.width + 1), "alpha's length")
    above, out = [0] * tile.width, []
    for row in range(tile.height):
        line = content[row * (tile.width + 1) :][: tile.width + 1]
        need(line[0] <= 4, "alpha's filter")
        left = corner = 0
        current = []
        for value, up in zip(line[1:], above, strict=True):
            p = left + up - corner
            nearest = min((left, up, corner), key=lambda guess, p=p: abs(p - guess))
            guess = (0, left, up, (left + up) // 2, nearest)[line[0]]
            left, corner = (value + guess) & 255, up
            current.append(left)
        above = current
        out.append(current)
    return np.array(out, np.uint8)
