"""Streams that nobody's encoder writes, made from a good one, with checksums that hold."""

from __future__ import annotations

import dataclasses
import struct

import numpy as np

from mcm_fast import container
from mcm_fast.container import Header, Stream, read_header
from mcm_fast.container.checks import checksum
from mcm_fast.container.header import parse_header
from mcm_fast.container.source import HeaderReader
from mcm_fast.errors import BitstreamError

FLAGS = 5  # the place of the flags in a stream


def resealed(stream: bytes, header: Header) -> bytes:
    """With checksums that fit, at the places that `header` has them."""
    out = bytearray(stream)
    parts = [(0, len(header.packed) - 4), *header.chunk_places.values(), *header.tile_places]
    for start, size in parts:
        out[start + size : start + size + 4] = checksum(bytes(out[start : start + size]))
    return bytes(out)


def repaired(stream: bytes) -> bytes:
    """With checksums that fit where its own header, as far as it can be read, has them."""
    source = container.as_source(stream + bytes(4))  # if the header's checksum is cut off
    try:
        header = parse_header(HeaderReader(source))
    except BitstreamError:
        return stream
    if len(stream) < len(header.packed) or len(stream) < header.total:
        return stream
    return resealed(stream, header)


def damaged(good: bytes, latents: int) -> dict[str, bytes]:
    """By name, streams that must be refused. `good` has one group; `latents` counts z and y."""
    return {
        **_damaged_segments(good),
        **_damaged_exceptions(good, latents),
        **_damaged_headers(good),
        **_damaged_bytes(good),
    }


def _damaged_segments(good: bytes) -> dict[str, bytes]:
    stream = container.unpack(good)
    segment, lanes = stream.tiles[0].segments[0], stream.tiles[0].lanes
    states, words = segment[: 4 * lanes], segment[4 * lanes :]

    def made(*segments: bytes, lanes: int = lanes) -> bytes:
        return _with_coded(
            stream, lanes=lanes, groups=len(segments), segments=list(map(bytes, segments))
        )

    flips = {f"state-{n}": bytearray(segment) for n in range(lanes)}
    for n, flipped in enumerate(flips.values()):
        flipped[4 * n] ^= 1
    return {
        "states-zero": made(bytes(len(states)) + words),
        "states-ones": made(b"\xff" * len(states) + words),
        "states-initial": made(struct.pack("<I", 1 << 16) * lanes + words),
        "words-none": made(states),
        "words-one-less": made(segment[:-2]),
        "words-one-more": made(segment + b"\0\0"),
        "words-zero": made(states + bytes(len(words))),
        "words-ones": made(states + b"\xff" * len(words)),
        "words-reversed": made(states + words[::-1]),
        "words-twice": made(segment + words),
        "lanes-one": made(bytes(4) + states + words, lanes=1),
        "lanes-32": made(states + bytes(128 - len(states)) + words, lanes=32),
        "groups-32": made(*[bytes(128)] * 31, bytes(128) + words, lanes=32),
        **{name: made(flipped) for name, flipped in flips.items()},
    }


def _damaged_exceptions(good: bytes, latents: int) -> dict[str, bytes]:
    stream = container.unpack(good)

    def made(*pairs: tuple[int, int]) -> bytes:
        indexes = np.array([index for index, _ in pairs], np.int64)
        differences = np.array([difference for _, difference in pairs], np.int16)
        return _with_coded(stream, exception_indexes=indexes, exception_differences=differences)

    return {
        "exception-of-a-coded-latent": made((0, 1)),
        "exception-beyond": made((latents, 1)),
        "exception-far-beyond": made((2**32 - 1, -1)),
        "exceptions-many": made(*((i, 1) for i in range(latents))),
    }


def _damaged_headers(good: bytes) -> dict[str, bytes]:
    stream = container.unpack(good)

    def made(**fields) -> bytes:
        return container.pack(dataclasses.replace(stream, **fields))

    return {
        "another-model": made(model=bytes(8)),
        "one-pixel": made(width=1, height=1),
        "wider": made(width=stream.width + 64),
        "higher": made(height=stream.height + 64),
        "huge": made(width=2**32 - 1, height=1),
        "transposed": made(transposed=not stream.transposed, width=stream.width + 32),
        "tiles": made(sides=(64, 64), width=65, height=64, tiles=stream.tiles * 2),
    }


def _damaged_bytes(good: bytes) -> dict[str, bytes]:
    header = read_header(good)

    def made(at: int, *values: int) -> bytes:
        return resealed(good[:at] + bytes(values) + good[at + len(values) :], header)

    return {
        "version-0": made(4, 0),
        "version-2": made(4, 2),
        "version-255": made(4, 255),
        **{f"reserved-flag-{n}": made(FLAGS, good[FLAGS] | 1 << n) for n in (4, 5)},
        "flag-chunks": made(FLAGS, good[FLAGS] | 4),
        "flag-tiles": made(FLAGS, good[FLAGS] | 8),
        "quality-65535": made(14, 255, 255),
        "trailing-byte": good + b"\0",
        "trailing-checksum": good + checksum(good),
        "two-streams": good + good,
        "no-header": good[16:],
        "empty": b"",
        "only-zeros": bytes(len(good)),
    }


def _with_coded(stream: Stream, **fields) -> bytes:
    coded = dataclasses.replace(stream.tiles[0], **fields)
    return container.pack(dataclasses.replace(stream, tiles=[coded]))


def strange_but_good(good: bytes) -> dict[str, bytes]:
    """By name, streams that a reader must decode like `good`."""
    stream = container.unpack(good)
    chunks = {"prVt": b"", "iccp": bytes(300), "exif": b"x"}
    made = {"chunks": container.pack(dataclasses.replace(stream, chunks=chunks))}
    for bit in (6, 7):
        flags = bytes([good[FLAGS] | 1 << bit])
        changed = good[:FLAGS] + flags + good[FLAGS + 1 :]
        made[f"ignorable-flag-{bit}"] = resealed(changed, read_header(good))
    return made
