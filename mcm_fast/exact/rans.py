"""The range coder of the reference: FORMAT.md, section 6, in Python integers.

Twins: `csrc/rans.h` (the formulas under the same names, and why they are so) and `csrc/coder.h`
(`Writer`, `Reader`). States lie in 2^16 .. 2^32 - 1; words have 16 bits.
"""

from __future__ import annotations

import struct

from ..errors import BitstreamError

SYMBOL_BITS = 14
RAW_BITS = 16
INITIAL_STATE = 1 << 16
MAX_LANES = 32  # of a group
MAX_GROUPS = 32


def rans_slot(x: int, bits: int) -> int:
    return x & ((1 << bits) - 1)


def rans_get(x: int, start: int, frequency: int, bits: int) -> int:
    return frequency * (x >> bits) + rans_slot(x, bits) - start


def rans_wants_word(x: int) -> bool:
    return x < INITIAL_STATE


def rans_refill(x: int, word: int) -> int:
    return x << 16 | word


def rans_overflows(x: int, frequency: int, bits: int) -> bool:
    return x >> (32 - bits) >= frequency


def rans_put(x: int, start: int, frequency: int, bits: int) -> int:
    return (x // frequency << bits) + x % frequency + start


def lanes_for(size: int) -> int:
    """Lanes of all groups for a stream that takes `size` bytes with 32 of them."""
    lanes = 1
    while lanes < MAX_LANES and 200 * 2 * lanes <= size:
        lanes *= 2
    while MAX_LANES <= lanes < MAX_LANES * MAX_GROUPS and 400 * 2 * lanes <= size:
        lanes *= 2
    return lanes


class Writer:
    """Collects (start, frequency, bits) in the order of decoding; codes them backwards."""

    def __init__(self) -> None:
        self.visits: list[list[tuple[int, int, int]]] = []

    def put(self, start: int, frequency: int) -> None:
        """A symbol: takes the next visit number."""
        self.visits.append([(start, frequency, SYMBOL_BITS)])

    def put_raw(self, value: int) -> None:
        """16 raw bits that follow the last symbol in its lane."""
        self.visits[-1].append((value & 0xFFFF, 1, RAW_BITS))

    def finish(self) -> tuple[int, int, list[bytes]]:
        """Lanes, groups and the groups' segments; the size of a first pass picks the lanes."""
        segments = self.segments(MAX_LANES, 1)
        total = lanes_for(len(segments[0]))
        if total == MAX_LANES:
            return MAX_LANES, 1, segments
        lanes = min(total, MAX_LANES)
        return lanes, total // lanes, self.segments(lanes, total // lanes)

    def segments(self, lanes: int, groups: int) -> list[bytes]:
        states = [INITIAL_STATE] * (lanes * groups)
        words: list[list[int]] = [[] for _ in range(groups)]
        for visit in range(len(self.visits) - 1, -1, -1):
            lane = visit % (lanes * groups)
            for start, frequency, bits in reversed(self.visits[visit]):
                x = states[lane]
                if rans_overflows(x, frequency, bits):
                    words[lane // lanes].append(x & 0xFFFF)
                    x >>= 16
                states[lane] = rans_put(x, start, frequency, bits)
        return [
            struct.pack(f"<{lanes}I{len(w)}H", *states[g * lanes : (g + 1) * lanes], *reversed(w))
            for g, w in enumerate(words)
        ]


class Reader:
    """Reads symbols in the order of visits. Raises BitstreamError on damage."""

    def __init__(self, segments: list[bytes], lanes: int, groups: int):
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
        slot = rans_slot(self.states[self.lane], SYMBOL_BITS)
        entry = 0
        while cdf[entry + 1] <= slot:
            entry += 1
        self._advance(cdf[entry], cdf[entry + 1] - cdf[entry], SYMBOL_BITS)
        return entry

    def get_raw(self) -> int:
        """The 16 raw bits after the last symbol, as a signed integer."""
        value = rans_slot(self.states[self.lane], RAW_BITS)
        self._advance(value, 1, RAW_BITS)
        return value - 0x10000 if value & 0x8000 else value

    def _advance(self, start: int, frequency: int, bits: int) -> None:
        x = rans_get(self.states[self.lane], start, frequency, bits)
        if rans_wants_word(x):
            words = self.words[self.lane // self.lanes]
            if not words:
                raise BitstreamError("a segment ends before its symbols do")
            x = rans_refill(x, words.pop())
        self.states[self.lane] = x

    def finish(self) -> None:
        """All words read and every state back where the encoder began?"""
        if any(self.words) or any(state != INITIAL_STATE for state in self.states):
            raise BitstreamError("the coder's final states are wrong")
