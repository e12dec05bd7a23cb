"""The decoder's model file: one safetensors file of integers. The entropy model's have the names of
FORMAT.md, section 2, a rendering's begin with `pixels.<name>.`. Imports no torch."""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import NamedTuple

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from .rendering import Rendering

PREFIX = "pixels."


class Decoder(NamedTuple):
    """What a decoder's file holds: the entropy model's integers, and renderings by name."""

    integers: dict[str, np.ndarray]
    renderings: dict[str, Rendering]


def save_decoder(path: str | os.PathLike, integers: dict, renderings: dict[str, Rendering]) -> None:
    """`integers`: the entropy model's, as arrays or as tensors of torch."""
    tensors = {name: np.asarray(tensor) for name, tensor in integers.items()}
    for name, rendering in renderings.items():
        tensors |= {f"{PREFIX}{name}.{key}": t for key, t in rendering.tensors.items()}
    save_file(tensors, path, {f"{PREFIX}{name}": r.id.hex() for name, r in renderings.items()})


def load_decoder(path: str | os.PathLike, wanted: Collection[str] | None = None) -> Decoder:
    """Reads and checks the renderings; the entropy model's integers are its engine's to check.

    `wanted`: only these renderings, where they are there; all by default.
    Raises ValueError for a file that is not one, or whose numbers break a bound.
    """
    integers: dict[str, np.ndarray] = {}
    found: dict[str, dict[str, np.ndarray]] = {}
    try:
        with safe_open(path, "np") as file:
            for key in file.keys():
                name, _, part = key.removeprefix(PREFIX).partition(".")
                if not key.startswith(PREFIX):
                    integers[key] = file.get_tensor(key)
                elif wanted is None or name in wanted:
                    found.setdefault(name, {})[part] = file.get_tensor(key)
        return Decoder(integers, {name: Rendering(found[name]) for name in sorted(found)})
    except Exception as error:  # safetensors raises its own class, and OSError
        raise ValueError(f"{path} is not a decoder's file: {error}") from error
