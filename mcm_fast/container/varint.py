"""Numbers of 32 bits as LEB128 (FORMAT.md, section 1): `write` writes what `read` reads."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import BitstreamError

LARGEST = 2**32 - 1


def write(value: int) -> bytes:
    """The bytes of 0 <= value < 2^32. Raises ValueError."""
    if not 0 <= value <= LARGEST:
        raise ValueError(f"{value} does not fit a varint of 32 bits")
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def read(take: Callable[[int], bytes]) -> int:
    """The number whose bytes `take(1)` returns, first to last. Raises BitstreamError."""
    value = 0
    for shift in range(0, 35, 7):
        byte = take(1)[0]
        value |= (byte & 127) << shift
        if byte < 128:
            if byte == 0 and shift > 0:
                raise BitstreamError("damaged stream: a varint longer than needed")
            if value > LARGEST:
                raise BitstreamError("damaged stream: a varint above 2^32 - 1")
            return value
    raise BitstreamError("damaged stream: a varint of more than 5 bytes")
