"""Checksums, and the one way to say that a stream is damaged."""

from __future__ import annotations

import struct

from ..errors import BitstreamError
from ..exact.extension import extension

CHECKSUM_BYTES = 4


def require(holds: bool, complaint: str) -> None:
    """Raises BitstreamError unless it holds."""
    if not holds:
        raise BitstreamError(f"damaged stream: {complaint}")


def checksum(data: bytes) -> bytes:
    """CRC-32C, little-endian."""
    return struct.pack("<I", extension().crc32c(data))


def sealed(data: bytes) -> bytes:
    """Followed by its checksum."""
    return data + checksum(data)


def unsealed(data: bytes, what: str) -> bytes:
    """Without its checksum, which must hold. Raises BitstreamError."""
    body = data[:-CHECKSUM_BYTES]
    require(checksum(body) == data[-CHECKSUM_BYTES:], f"the checksum of {what} differs")
    return body
