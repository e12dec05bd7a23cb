"""The range coder of the reference: FORMAT.md, section 6, in Python integers.

Twins: `csrc/rans.h`. States lie in 2^16 .. 2^32 - 1; words have 16 bits.
"""

from __future__ import annotations

import struct

from ..errors import BitstreamError

LOWER = 1 << 16
RAW_BITS = 16


class Encoder:
    """Collects (start, frequency, bits) in the order of decoding; codes them backwards."""

    def __init__(self) -> None:
        self.visits: list[list[tuple[int, int, int]]] = []

    def put(self, start: int, frequency: int, bits: int) -> None:
        """A symbol: takes the next visit number."""
        self.visits.append([(start, frequency, bits)])

    def put_raw(self, value: int) -> None:
        """16 raw bits that follow the last symbol in its lane."""
        self.visits[-1].append((value & 0xFFFF, 1, RAW_BITS))

    def finish(self) -> tuple[int, int, list[bytes]]:
        """Lanes, groups and the groups' segments; the size of a first pass picks the lanes."""
        segments = self.code(32, 1)
        total = lanes_for(len(segments[0]))
        lanes, groups = min(total, 32), max(1, total // 32)
        return lanes, groups, segments if total == 32 else self.code(lanes, groups)

    def code(self, lanes: int, groups: int) -> list[bytes]:
        states = [LOWER] * (lanes * groups)
        words: list[list[int]] = [[] for _ in range(groups)]
        for visit in range(len(self.visits) - 1, -1, -1):
            lane = visit % (lanes * groups)
            for start, frequency, bits in reversed(self.visits[visit]):
                x = states[lane]
                if x >= frequency << (32 - bits):
                    words[lane // lanes].append(x & 0xFFFF)
                    x >>= 16
                states[lane] = (x // frequency << bits) + x % frequency + start
        return [
            struct.pack(f"<{lanes}I{len(w)}H", *states[g * lanes : (g + 1) * lanes], *reversed(w))
            for g, w in enumerate(words)
        ]


def lanes_for(size: int) -> int:
    """Lanes in all for a stream that takes `size` bytes with 32 lanes."""
    lanes = 1
    while lanes < 1024 and (400 if lanes < 32 else 800) * 2 * lanes <= size:
        lanes *= 2
    return lanes


class Decoder:
    """Reads symbols in the order of visits. Raises BitstreamError on damage."""

    def __init__(self, lanes: int, groups: int, segments: list[bytes]):
        self.lanes, self.total, self.visit = lanes, lanes * groups, 0
        self.states: list[int] = []
        self.words: list[list[int]] = []
        if len(segments) != groups:
            raise BitstreamError(f"{len(segments)} segments for {groups} groups")
        for segment in segments:
            count = (len(segment) - 4 * lanes) // 2
            if count < 0 or len(segment) != 4 * lanes + 2 * count:
                raise BitstreamError("a segment's length does not fit its lanes")
            fields = struct.unpack(f"<{lanes}I{count}H", segment)
            self.states += fields[:lanes]
            self.words.append(list(reversed(fields[lanes:])))

    def get(self, cdf: list[int]) -> int:
        """The next symbol under cumulative frequencies that end with 2^14."""
        self.lane = self.visit % self.total
        self.visit += 1
        slot = self.states[self.lane] & ((1 << 14) - 1)
        entry = 0
        while cdf[entry + 1] <= slot:
            entry += 1
        self._advance(cdf[entry], cdf[entry + 1] - cdf[entry], 14)
        return entry

    def get_raw(self) -> int:
        """The 16 raw bits after the last symbol, as a signed integer."""
        value = self.states[self.lane] & 0xFFFF
        self._advance(value, 1, RAW_BITS)
        return value - 0x10000 if value & 0x8000 else value

    def _advance(self, start: int, frequency: int, bits: int) -> None:
        x = self.states[self.lane]
        x = frequency * (x >> bits) + (x & ((1 << bits) - 1)) - start
        if x < LOWER:
            words = self.words[self.lane // self.lanes]
            if not words:
                raise BitstreamError("a segment ends before its symbols do")
            x = x << 16 | words.pop()
        self.states[self.lane] = x

    def finish(self) -> None:
        """All words read and every state back where the encoder began?"""
        if any(self.words) or any(state != LOWER for state in self.states):
            raise BitstreamError("the coder's final states are wrong")
