"""The checks of another reader or writer against the golden streams. Each raises AssertionError."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from .streams import Golden, golden_model, golden_streams, latents_hash

# A stream and a model file -> z [Nz, ceil(h / 4), ceil(w / 4)] and y [M, h, w] of the whole image.
Decode = Callable[[bytes, Path], tuple[np.ndarray, np.ndarray]]


def check_decoder(decode: Decode, names: Iterable[str] | None = None) -> None:
    """That a reader decodes the golden streams, or those of these names, to their latents."""
    streams = golden_streams()
    for name in streams if names is None else names:
        found = latents_hash(*decode(streams[name].data, golden_model()))
        assert found == streams[name].latents, f"{name}: other latents than the golden stream's"


def check_encoder(encode: Callable[[Golden, Path], bytes]) -> None:
    """That a writer makes the golden streams' bytes again, of the latents that it has decoded.

    Not of those with alpha: Deflate differs between encoders.
    """
    for name, golden in golden_streams().items():
        if golden.alpha is None:
            assert encode(golden, golden_model()) == golden.data, f"{name}: other bytes"


def check_refusals(decode: Decode, name: str = "pixel") -> None:
    """That a reader raises an exception for every truncation and every flipped bit of a stream.

    All bytes stand under a checksum; only two flags may be flipped, with their header's checksum.
    """
    data = golden_streams()[name].data
    damaged = [data[:length] for length in range(len(data))] + [data + b"\0"]
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        damaged.append(bytes(flipped))
    accepted = sum(not _refuses(decode, each) for each in damaged)
    assert accepted == 0, f"{accepted} of {len(damaged)} damaged streams were not refused"


def _refuses(decode: Decode, data: bytes) -> bool:
    try:
        decode(data, golden_model())
    except Exception:
        return True
    return False
