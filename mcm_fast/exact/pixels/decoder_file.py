"""The decoder's model file: one safetensors file of integers. The entropy model's have the names of
FORMAT.md, section 2, a rendering's begin with `pixels.<name>.`. Imports no torch."""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import NamedTuple

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from ..identity import MODEL, identity
from .rendering import Rendering

PREFIX = "pixels."


class Decoder(NamedTuple):
    """What a decoder's file holds: the entropy model's integers, and renderings by name."""

    integers: dict[str, np.ndarray]
    renderings: dict[str, Rendering]


def save_decoder(path: str | os.PathLike, integers: dict, renderings: dict[str, Rendering]) -> None:
    """`integers`: the entropy model's, as arrays or as tensors of torch."""
    arrays = {name: np.asarray(tensor) for name, tensor in integers.items()}
    stated = {"id": identity(MODEL, arrays).hex()}
    for name, rendering in renderings.items():
        arrays |= {f"{PREFIX}{name}.{key}": t for key, t in rendering.tensors.items()}
        stated[f"{PREFIX}{name}"] = rendering.id.hex()
    save_file(arrays, path, stated)


def load_decoder(path: str | os.PathLike, wanted: Collection[str] | None = None) -> Decoder:
    """Reads and checks the renderings; the entropy model's integers are its engine's to check.

    `wanted`: only these renderings, where they are there; all by default.
    Raises ValueError for a file that is not one, or whose numbers break a bound, and
    FileNotFoundError.
    """
    file = DecoderFile(path)
    names = [name for name in file.renderings if wanted is None or name in wanted]
    return Decoder(file.integers(), {name: file.rendering(name) for name in names})


class DecoderFile:
    """An open file, of which only what is asked for is read.

    Attributes:
        renderings: the renderings by name, with the id in hex that the file states.

    Raises ValueError for a file that is not a decoder's, FileNotFoundError.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = os.fspath(path)
        try:
            self._file = safe_open(path, "np")
            self._keys = list(self._file.keys())
            stated = self._file.metadata() or {}
        except FileNotFoundError:
            raise
        except Exception as error:  # safetensors raises its own class, and OSError
            raise ValueError(f"{path} is not a decoder's file: {error}") from error
        names = {key.split(".")[1] for key in self._keys if key.startswith(PREFIX)}
        self.renderings = {name: stated.get(PREFIX + name, "") for name in sorted(names)}

    def integers(self) -> dict[str, np.ndarray]:
        """The entropy model's, for its engine to check."""
        return self._tensors([key for key in self._keys if not key.startswith(PREFIX)], "")

    def rendering(self, name: str) -> Rendering:
        """Raises ValueError if its numbers break a bound."""
        prefix = f"{PREFIX}{name}."
        tensors = self._tensors([k for k in self._keys if k.startswith(prefix)], prefix)
        try:
            return Rendering(tensors)
        except ValueError as error:
            raise ValueError(f"{self.path} is not a decoder's file: {error}") from error

    def _tensors(self, keys: list[str], prefix: str) -> dict[str, np.ndarray]:
        try:
            return {key.removeprefix(prefix): self._file.get_tensor(key) for key in keys}
        except Exception as error:
            raise ValueError(f"{self.path} is not a decoder's file: {error}") from error
