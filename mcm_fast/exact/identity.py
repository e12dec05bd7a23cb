"""What a model and a rendering are called: a hash of their integers. Imports no torch."""

from __future__ import annotations

import hashlib

import numpy as np

MODEL = b"mcm_fast arithmetic 1\n"
RENDERING = b"mcm_fast pixels 1\n"


def identity(arithmetic: bytes, arrays: dict[str, np.ndarray]) -> bytes:
    """The first 8 bytes of the SHA-256 of all integers (FORMAT.md, section 2)."""
    digest = hashlib.sha256(arithmetic)
    for name in sorted(arrays, key=str.encode):
        array = arrays[name]
        shape = ",".join(map(str, array.shape))
        digest.update(f"{name}\0{array.dtype.name}\0{shape}\0".encode())
        digest.update(array.astype(array.dtype.newbyteorder("<"), order="C").tobytes())
    return digest.digest()[:8]
