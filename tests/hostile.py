"""Streams that nobody's encoder writes, made from a good one, with checksums that hold."""

from __future__ import annotations

import dataclasses
import struct

import torch

from mcm_fast import _C, container
from mcm_fast.container import Stream

FLAGS = 5  # the place of the flags in a stream


def sealed(body: bytes) -> bytes:
    """With a checksum that fits."""
    return bytes(body) + struct.pack("<I", _C.crc32c(bytes(body)))


def resealed(stream: bytes) -> bytes:
    return sealed(stream[:-4])


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
    segment, lanes = stream.coded.segments[0], stream.coded.lanes
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
        indexes = torch.tensor([index for index, _ in pairs], dtype=torch.int64)
        differences = torch.tensor([difference for _, difference in pairs], dtype=torch.int16)
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
    }


def _damaged_bytes(good: bytes) -> dict[str, bytes]:
    def made(at: int, *values: int) -> bytes:
        return resealed(good[:at] + bytes(values) + good[at + len(values) :])

    return {
        "version-1": made(4, 1),
        "version-255": made(4, 255),
        **{f"unknown-flag-{n}": made(FLAGS, good[FLAGS] | 1 << n) for n in range(2, 6)},
        "quality-65535": made(14, 255, 255),
        "trailing-byte": resealed(good[:-4] + b"\0" + good[-4:]),
        "trailing-checksum": sealed(good),
        "two-streams": resealed(good + good),
        "two-streams-unsealed": good + good,
        "no-header": resealed(good[16:]),
        "empty": sealed(b""),
        "only-zeros": sealed(bytes(len(good))),
    }


def _with_coded(stream: Stream, **fields) -> bytes:
    coded = dataclasses.replace(stream.coded, **fields)
    return container.pack(dataclasses.replace(stream, coded=coded))


def strange_but_good(good: bytes) -> dict[str, bytes]:
    """By name, streams that a reader must decode like `good`."""
    stream = container.unpack(good)
    chunks = {"prVt": b"", "iccp": bytes(300), "exif": b"x"}
    made = {"chunks": container.pack(dataclasses.replace(stream, chunks=chunks))}
    for bit in (6, 7):
        flags = bytes([good[FLAGS] | 1 << bit])
        made[f"ignorable-flag-{bit}"] = resealed(good[:FLAGS] + flags + good[FLAGS + 1 :])
    return made
