"""Random latents with random tables, and what the warp coder is told of them."""

from __future__ import annotations

import numpy as np

from mcm_fast.exact.extension import extension
from mcm_fast.exact.rans import Writer
from mcm_fast.exact.wavefront import wavefront

SLICES, Z_CHANNELS = 3, 4
STATES, GROUPS = 1024, 32


class Tables:
    """Random tables of y, then of z; every third one is certain."""

    def __init__(self, rng: np.random.Generator, count: int = 12, levels: int = 2):
        self.of_y, self.count = count, count + levels * Z_CHANNELS
        sizes = [2 if t % 3 == 2 else int(rng.integers(3, 60)) for t in range(self.count)]
        sizes[0] = 500
        cdfs = [[0, *sorted(1 + rng.choice(2**14 - 1, n - 1, replace=False))] for n in sizes]
        self.cdf = np.concatenate(cdfs).astype(np.int16)
        self.start = np.cumsum([0, *sizes]).astype(np.int32)
        self.minimum = rng.integers(-250, 5, self.count).astype(np.int32)
        self.sizes, self.edges = np.array(sizes), [[*cdf, 2**14] for cdf in cdfs]
        self.arrays = self.cdf, self.start, self.minimum

    def certain(self, numbers: np.ndarray) -> np.ndarray:
        return self.sizes[numbers] == 2

    def blob(self, first: int, count: int) -> np.ndarray:
        return extension().warp.pack_tables(*self.arrays, first, count)

    def put(self, writer: Writer, number: int, base: int, value: int) -> None:
        edges = self.edges[number]
        entry, escape = value - base - int(self.minimum[number]), len(edges) - 2
        entry = entry if 0 <= entry < escape else escape
        writer.put(edges[entry], edges[entry + 1] - edges[entry])
        if entry == escape:
            writer.put_raw(value)

    def draw(self, rng, numbers, bases, escapes: float) -> np.ndarray:
        """Values that their tables hold, and a share of escapes and of exceptions."""
        inside = bases + self.minimum[numbers] + rng.integers(0, self.sizes[numbers] - 1)
        anything = rng.integers(-(2**15), 2**15, numbers.shape)
        return np.where(rng.random(numbers.shape) < escapes, anything, inside).astype(np.int16)


class Picture:
    """One image's latents, `channels` a slice; their tables and bases in the stream's order."""

    def __init__(self, tables: Tables, height, width, seed=0, escapes=0.1, channels=2):
        rng = np.random.default_rng([seed, height, width])
        self.tables, self.height, self.width, self.channels = tables, height, width, channels
        steps = list(wavefront(height, width, SLICES))
        self.counts = [len(step) * channels for step in steps]
        positions = np.array([p for step in steps for p in step])
        k, row, column = (positions[:, i, None] for i in range(3))
        channel = k * channels + np.arange(channels)
        places = (row * width + column) * SLICES * channels + channel
        self.places = places.ravel().astype(np.int32)
        planar = ((channel * height + row) * width + column).ravel()
        self.numbers = rng.integers(0, tables.of_y, planar.size).astype(np.int32)
        self.bases = rng.integers(-40, 40, planar.size).astype(np.int16)
        z_area = -(-height // 4) * -(-width // 4)
        self.z_table = Z_CHANNELS * int(rng.integers(0, 2))
        self.z_numbers = tables.of_y + self.z_table + np.repeat(np.arange(Z_CHANNELS), z_area)
        self.values = tables.draw(rng, self.numbers, self.bases, escapes)
        self.z = tables.draw(rng, self.z_numbers, 0 * self.z_numbers, escapes)
        self.y = np.empty_like(self.values)  # [height, width, M]
        self.y[self.places] = self.values
        self.index = np.concatenate([np.arange(self.z.size), self.z.size + planar])
        self.certain = tables.certain(self.numbers)
        # As the context step says it: of a certain latent the value, and no table.
        sure = self.bases + tables.minimum[self.numbers]
        self.step_places = self.places
        self.step_tables = np.where(self.certain, ~self.numbers, self.numbers)
        self.step_bases = np.where(self.certain, sure, self.bases).astype(np.int16)

    def visits(self):
        """(numbers, bases, values) of the coded latents."""
        numbers = np.concatenate([self.z_numbers, self.numbers])
        bases = np.concatenate([0 * self.z_numbers, self.bases])
        values = np.concatenate([self.z, self.values])
        coded = ~self.tables.certain(numbers)
        return numbers[coded], bases[coded], values[coded]

    def writer(self) -> Writer:
        writer = Writer()
        for number, base, value in zip(*(a.tolist() for a in self.visits()), strict=True):
            self.tables.put(writer, number, base, value)
        return writer

    def differences(self) -> np.ndarray:
        """int16 [z's latents, then y's in the order of `y`]; 0 where a latent is coded."""
        expected = self.tables.minimum[self.z_numbers]
        z = np.where(self.tables.certain(self.z_numbers), self.z - expected, 0)
        y = np.zeros(self.y.size, np.int64)
        y[self.places] = np.where(self.certain, self.values - self.step_bases.astype(int), 0)
        return np.concatenate([z, y]).astype(np.int16)

    def exceptions(self) -> dict[int, int]:
        """{index: difference} as a stream has them."""
        differences, z = self.differences(), self.z.size
        ordered = np.concatenate([differences[:z], differences[z:][self.places]])
        found = np.nonzero(ordered)[0]
        return dict(zip(self.index[found].tolist(), ordered[found].tolist(), strict=True))


def launchers():
    """The module whose launchers run here."""
    return extension().warp


def launch(name: str, fields: dict) -> None:
    """Calls a launcher; arrays become addresses."""
    warp = launchers()
    struct = {
        "encode": warp.ENCODING,
        "encode_symbols": warp.SYMBOLS,
        "decode_symbols": warp.SYMBOLS,
    }
    values = [fields[field] for field in struct.get(name, warp.DECODING)]
    getattr(warp, name)([v.ctypes.data if hasattr(v, "ctypes") else v for v in values], 0)


def starts(sizes) -> np.ndarray:
    return np.cumsum([0, *sizes]).astype(np.int64)


def spread(segments: list[bytes], guard: int):
    """(words, where each segment begins, its size): `guard` lies between the segments, and after
    the last one nothing, so that a sanitizer sees who reads there."""
    between = np.full(100, guard, np.uint16)
    words = [np.frombuffer(segment, "<u2") for segment in segments]
    at = starts(len(w) + 100 for w in words)[:-1]
    parts = [part for w in words for part in (w, between)][:-1]
    return np.concatenate(parts), at, np.array([len(w) for w in words], np.int32)


def decoding(tables: Tables, streams, guard: int = 0) -> dict:
    """The fields of Decoding for (picture, lanes, groups, segments)."""
    pictures, lanes, groups, segments = zip(*streams, strict=True)
    batch, capacity = len(streams), max(max(p.counts) for p in pictures)
    payload, begins, sizes = spread([s for group in segments for s in group], guard)
    at, size = np.zeros((batch, GROUPS), np.int64), np.zeros((batch, GROUPS), np.int32)
    here = [(b, g) for b, group in enumerate(segments) for g in range(len(group))]
    at[tuple(np.transpose(here))], size[tuple(np.transpose(here))] = begins, sizes
    differences = [p.differences() for p in pictures]
    z_blob = tables.blob(tables.of_y, tables.count - tables.of_y)
    y_blob = tables.blob(0, tables.of_y)
    return {
        "images": batch,
        "slices": SLICES,
        "slice_channels": pictures[0].channels,
        "z_channels": Z_CHANNELS,
        "capacity": capacity,
        "y_tables": y_blob,
        "y_tables_size": y_blob.size,
        "z_tables": z_blob,
        "z_tables_size": z_blob.size,
        "lanes": np.array(lanes, np.int32),
        "groups": np.array(groups, np.int32),
        **of_pictures(pictures),
        "exceptions": np.array([np.count_nonzero(d) for d in differences], np.int32),
        "difference_at": np.where(
            [d.any() for d in differences], starts(d.size for d in differences)[:-1], -1
        ),
        "payload": payload,
        "segment_at": at,
        "segment_size": size,
        "states": np.zeros((batch, STATES), np.uint32),
        "cursor": np.full((batch, GROUPS), -1, np.int32),
        **{name: np.full(batch, -1, np.int32) for name in ("visit", "t", "unused", "error")},
        "tables": np.zeros((batch, capacity), np.int32),
        "bases": np.zeros((batch, capacity), np.int16),
        "places": np.zeros((batch, capacity), np.int32),
        "y": np.zeros(sum(p.y.size for p in pictures), np.int16),
        "seen": np.zeros(sum(p.y.size for p in pictures), np.int8),
        "z": np.zeros(sum(p.z.size for p in pictures), np.int16),
        "differences": np.concatenate(differences),
    }


def of_pictures(pictures) -> dict:
    """What decoding and encoding are both told."""
    names = "height", "width", "z_table"
    found = {name: np.array([getattr(p, name) for p in pictures], np.int32) for name in names}
    found["y_at"] = starts(p.y.size for p in pictures)
    return found | {"z_at": starts(p.z.size for p in pictures)}


def decode(pictures: list[Picture], d: dict, steps: int | None = None) -> np.ndarray:
    """Plays the part of the context step; returns the errors."""
    launch("begin", d)
    launch("decode_z", d)
    for _ in range(max(len(p.counts) for p in pictures) + 2 if steps is None else steps):
        for b, picture in enumerate(pictures):
            t = int(d["t"][b])
            if t < len(picture.counts):
                first, count = sum(picture.counts[:t]), picture.counts[t]
                for name in ("tables", "bases", "places"):
                    source = (
                        picture.places if name == "places" else getattr(picture, f"step_{name}")
                    )
                    d[name][b, :count] = source[first : first + count]
        launch("decode_step", d)
    launch("finish", d)
    return d["error"]


def encode(tables: Tables, pictures: list[Picture], guard: int = 0) -> list[tuple]:
    """(lanes, groups, segments, {index: difference}) of each picture; memory begins as `guard`."""
    latents = [p.z.size + p.y.size for p in pictures]
    batch, total, joined = len(pictures), sum(latents), np.concatenate
    tiles = starts(-(-n // extension().warp.TILE) for n in latents)
    full = lambda *shape, dtype=np.int32: np.full(shape, guard, dtype)  # noqa: E731
    e = {
        "images": batch,
        "y_channels": SLICES * pictures[0].channels,
        "z_channels": Z_CHANNELS,
        "tiles": int(tiles[-1]),
        "y_tables": tables.blob(0, tables.of_y),
        "z_tables": tables.blob(tables.of_y, tables.count - tables.of_y),
        **of_pictures(pictures),
        "latent_at": starts(latents),
        "tile_at": tiles.astype(np.int32),
        "tables": joined([p.step_tables for p in pictures]),
        "bases": joined([p.step_bases for p in pictures]),
        "places": joined([p.places for p in pictures]),
        "y": joined([p.y for p in pictures]),
        "z": joined([p.z for p in pictures]),
        "tile_counts": full(int(tiles[-1]), 2),
        "visits": full(total, dtype=np.uint32),
        "raw": full(total, dtype=np.uint16),
        **{n: full(2 * total + 2 * STATES * batch, dtype=np.uint16) for n in ("words", "payload")},
        **{n: full(batch) for n in ("visit_count", "first_words", "lanes", "groups", "exceptions")},
        "states": full(batch, STATES, dtype=np.uint32),
        "segment_size": full(batch, GROUPS),
        "exception_index": full(total, dtype=np.int64),
        "exception_difference": full(total, dtype=np.int16),
    }
    launch("encode", e)
    at, results = starts(e["segment_size"].ravel().tolist()), []
    for b in range(batch):
        ends = at[b * GROUPS : (b + 1) * GROUPS + 1].tolist()
        parts = [e["payload"][i:j].tobytes() for i, j in zip(ends, ends[1:], strict=False)]
        found = slice(int(e["latent_at"][b]), int(e["latent_at"][b] + e["exceptions"][b]))
        pairs = e["exception_index"][found].tolist(), e["exception_difference"][found].tolist()
        layout = int(e["lanes"][b]), int(e["groups"][b])
        segments = [part for part in parts if part]
        results.append((*layout, segments, dict(zip(*pairs, strict=True))))
    return results
