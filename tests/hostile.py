"""Streams that nobody's encoder writes, made from a good one, with checksums that hold."""

from __future__ import annotations

import dataclasses
import struct

import torch

from mcm_fast import _C, container
from mcm_fast.container import Stream
from mcm_fast.exact.types import Coded


def sealed(body: bytes) -> bytes:
    """With a checksum that fits."""
    return bytes(body) + struct.pack("<I", _C.crc32c(bytes(body)))


def resealed(stream: bytes) -> bytes:
    return sealed(stream[:-4])


def exceptions(stream: Stream, *pairs: tuple[int, int]) -> Coded:
    indexes = torch.tensor([index for index, _ in pairs], dtype=torch.int64)
    differences = torch.tensor([difference for _, difference in pairs], dtype=torch.int16)
    return dataclasses.replace(
        stream.coded, exception_indexes=indexes, exception_differences=differences
    )


def damaged(good: bytes, latents: int) -> dict[str, bytes]:
    """By name, streams that must be refused. `good` has one group; `latents` counts z and y."""
    stream = container.unpack(good)
    coded, flags = stream.coded, 5  # the flags' place
    segment = coded.segments[0]
    states, words = segment[: 4 * coded.lanes], segment[4 * coded.lanes :]

    def with_segment(*segments: bytes, lanes: int = coded.lanes) -> bytes:
        groups = len(segments)
        other = dataclasses.replace(coded, lanes=lanes, groups=groups, segments=list(segments))
        return container.pack(dataclasses.replace(stream, coded=other))

    def with_exceptions(*pairs: tuple[int, int]) -> bytes:
        return container.pack(dataclasses.replace(stream, coded=exceptions(stream, *pairs)))

    def with_header(**fields) -> bytes:
        return container.pack(dataclasses.replace(stream, **fields))

    def with_byte(at: int, value: int) -> bytes:
        return resealed(good[:at] + bytes([value]) + good[at + 1 :])

    made = {
        "states-zero": with_segment(bytes(len(states)) + words),
        "states-ones": with_segment(b"\xff" * len(states) + words),
        "states-initial": with_segment(struct.pack("<I", 1 << 16) * coded.lanes + words),
        "words-none": with_segment(states),
        "words-one-less": with_segment(segment[:-2]),
        "words-one-more": with_segment(segment + b"\0\0"),
        "words-zero": with_segment(states + bytes(len(words))),
        "words-ones": with_segment(states + b"\xff" * len(words)),
        "words-reversed": with_segment(states + words[::-1]),
        "words-twice": with_segment(segment + words),
        "lanes-one": with_segment(bytes(4) + states + words, lanes=1),
        "lanes-32": with_segment(states + bytes(128 - len(states)) + words, lanes=32),
        "groups-32": with_segment(*[bytes(128)] * 31, bytes(128) + words, lanes=32),
        "exception-of-a-coded-latent": with_exceptions((0, 1)),
        "exception-beyond": with_exceptions((latents, 1)),
        "exception-far-beyond": with_exceptions((2**32 - 1, -1)),
        "exceptions-many": with_exceptions(*((i, 1) for i in range(latents))),
        "another-model": with_header(model=bytes(8)),
        "one-pixel": with_header(width=1, height=1),
        "wider": with_header(width=stream.width + 64),
        "higher": with_header(height=stream.height + 64),
        "huge": with_header(width=2**32 - 1, height=1),
        "transposed": with_header(transposed=not stream.transposed, width=stream.width + 32),
        "version-1": with_byte(4, 1),
        "version-255": with_byte(4, 255),
        "quality-65535": resealed(good[:14] + b"\xff\xff" + good[16:]),
        "trailing-byte": resealed(good[:-4] + b"\0" + good[-4:]),
        "trailing-checksum": sealed(good),
        "two-streams": resealed(good + good),
        "two-streams-unsealed": good + good,
        "no-header": resealed(good[16:]),
        "empty": sealed(b""),
        "only-zeros": sealed(bytes(len(good))),
    }
    for bit in range(2, 6):
        made[f"unknown-flag-{bit}"] = with_byte(flags, good[flags] | 1 << bit)
    for lane in range(coded.lanes):
        at = 4 * lane
        changed = bytes([segment[at] ^ 1])
        made[f"state-{lane}"] = with_segment(segment[:at] + changed + segment[at + 1 :])
    return made


def strange_but_good(good: bytes) -> dict[str, bytes]:
    """By name, streams that a reader must decode like `good`."""
    stream = container.unpack(good)
    chunks = {"prVt": b"", "iccp": bytes(300), "exif": b"x"}
    made = {"chunks": container.pack(dataclasses.replace(stream, chunks=chunks))}
    for bit in (6, 7):
        made[f"ignorable-flag-{bit}"] = resealed(good[:5] + bytes([good[5] | 1 << bit]) + good[6:])
    return made
