"""The golden streams: files beside this one, and what they decode to."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

FOLDER = Path(__file__).parent / "golden"


class Golden(NamedTuple):
    """A stream and what comes out of it, as SHA-256 in hex."""

    name: str
    data: bytes
    latents: str  # of z, then y (see `latents_hash`)
    alpha: str | None  # of uint8 (H, W), row by row, as the user sees it


def golden_model() -> Path:
    """The safetensors file (FORMAT.md, section 2) of the model that all golden streams need."""
    return FOLDER / "model.safetensors"


def golden_streams() -> dict[str, Golden]:
    """All of them by name."""
    index = json.loads((FOLDER / "index.json").read_text())
    return {
        name: Golden(name, (FOLDER / f"{name}.mcm").read_bytes(), **hashes)
        for name, hashes in index.items()
    }


def latents_hash(z: np.ndarray, y: np.ndarray) -> str:
    """SHA-256 of z's, then y's values: of the whole image, [channel, row, column], as int16."""
    planes = (np.ascontiguousarray(plane, "<i2").tobytes() for plane in (z, y))
    return hashlib.sha256(b"".join(planes)).hexdigest()
