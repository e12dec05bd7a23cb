"""The decoder's model file: one safetensors file of integers. The entropy model's have the names of
FORMAT.md, section 2, a rendering's begin with `pixels.<name>.`. Imports no torch."""

from __future__ import annotations

import os
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


def load_decoder(path: str | os.PathLike) -> Decoder:
    """Reads and checks the renderings; the entropy model's integers are its engine's to check.

    Raises ValueError for a file that is not one, or whose numbers break a bound.
    """
    try:
        with safe_open(path, "np") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except Exception as error:  # safetensors raises its own class, and OSError
        raise ValueError(f"{path} is not a decoder's file: {error}") from error
    pixels = {name for name in tensors if name.startswith(PREFIX)}
    found: dict[str, dict[str, np.ndarray]] = {}
    for key in pixels:
        name, _, part = key.removeprefix(PREFIX).partition(".")
        found.setdefault(name, {})[part] = tensors[key]
    try:
        renderings = {name: Rendering(found[name]) for name in sorted(found)}
    except ValueError as error:
        raise ValueError(f"{path} is not a decoder's file: {error}") from error
    integers = {name: t for name, t in tensors.items() if name not in pixels}
    return Decoder(integers, renderings)
