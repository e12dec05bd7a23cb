"""A tile's entry in the table, and its payload: exceptions, the groups' segments, padding."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..exact.engine import Coded
from ..limits import PIXELS_PER_BYTE
from . import varint
from .checks import require
from .source import HeaderReader

_EXCEPTION = np.dtype([("index", "<u4"), ("difference", "<i2")])  # 6 bytes, unaligned
SHORTEST_ENTRY = 3  # bytes: lanes, exceptions, words of one group


class Entry(NamedTuple):
    """What the table says of a tile."""

    lanes: int  # of a group
    groups: int
    exceptions: int
    words: tuple[int, ...]  # of each group

    @property
    def body(self) -> int:
        """Bytes of the payload without its padding."""
        return 6 * self.exceptions + 4 * self.lanes * self.groups + 2 * sum(self.words)

    def payload(self, pixels: int) -> int:
        """Bytes of the payload of a tile of so many pixels: it has a byte for each 32768."""
        return max(self.body, -(-pixels // PIXELS_PER_BYTE))


def entry_of(coded: Coded) -> Entry:
    words = tuple((len(segment) - 4 * coded.lanes) // 2 for segment in coded.segments)
    return Entry(coded.lanes, coded.groups, len(coded.exception_indexes), words)


def write_entry(entry: Entry) -> bytes:
    head = bytes([_log2(entry.lanes) | _log2(entry.groups) << 4])
    return head + b"".join(map(varint.write, (entry.exceptions, *entry.words)))


def read_entry(reader: HeaderReader) -> Entry:
    byte = reader.take(1)[0]
    low, high = byte & 15, byte >> 4
    require(low <= 5, f"2^{low} lanes")
    require(high == 0 or (low == 5 and high <= 5), f"2^{high} groups of 2^{low} lanes")
    exceptions = reader.varint()
    words = tuple(reader.varint() for _ in range(1 << high))
    return Entry(1 << low, 1 << high, exceptions, words)


def write_payload(coded: Coded, pixels: int) -> bytes:
    records = np.empty(len(coded.exception_indexes), _EXCEPTION)
    records["index"] = coded.exception_indexes
    records["difference"] = coded.exception_differences
    body = records.tobytes() + b"".join(coded.segments)
    return body.ljust(entry_of(coded).payload(pixels), b"\0")


def read_payload(entry: Entry, payload: bytes) -> Coded:
    """Of a payload as long as the entry says. Raises BitstreamError."""
    records = np.frombuffer(payload[: 6 * entry.exceptions], _EXCEPTION)
    indexes = records["index"].astype(np.int64)
    differences = records["difference"].astype(np.int16)
    require(exceptions_are_valid(indexes, differences), "exceptions out of order or zero")
    segments, position = [], 6 * entry.exceptions
    for words in entry.words:
        end = position + 4 * entry.lanes + 2 * words
        segments.append(payload[position:end])
        position = end
    require(not any(payload[position:]), "padding that is not zero")
    return Coded(entry.lanes, entry.groups, indexes, differences, segments)


def exceptions_are_valid(indexes: np.ndarray, differences: np.ndarray) -> bool:
    return bool((indexes[1:] > indexes[:-1]).all() and differences.all())


def problems_of(coded: Coded) -> dict[str, bool]:
    """What the format cannot hold of a tile -> whether that is so."""
    spare = [len(segment) - 4 * coded.lanes for segment in coded.segments]
    indexes, differences = coded.exception_indexes, coded.exception_differences
    return {
        f"{coded.lanes} lanes": coded.lanes not in (1, 2, 4, 8, 16, 32),
        f"{coded.groups} groups": coded.groups not in (1, 2, 4, 8, 16, 32),
        f"{coded.groups} groups of {coded.lanes} lanes": coded.groups > 1 and coded.lanes != 32,
        f"{len(spare)} segments": len(spare) != coded.groups,
        "segment lengths": any(n < 0 or n % 2 for n in spare),
        "exceptions": len(indexes) != len(differences)
        or not exceptions_are_valid(indexes, differences)
        or (len(indexes) > 0 and not 0 <= int(indexes[0]) <= int(indexes[-1]) < 2**32),
    }


def _log2(power: int) -> int:
    return power.bit_length() - 1
