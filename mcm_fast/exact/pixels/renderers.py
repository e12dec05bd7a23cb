"""The renderers of a decoder's file, each made when it is first needed. Imports no torch."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from .decoder_file import DecoderFile
from .rendering import Rendering

Renderer = TypeVar("Renderer")
READING = threading.RLock()  # of a decoder's file: threads that come at once read it once
# A fork waits for whoever reads: in the child nobody would let go of the lock.
os.register_at_fork(
    before=READING.acquire, after_in_parent=READING.release, after_in_child=READING.release
)


class Renderers(Generic[Renderer]):
    """Any number of threads may share it.

    Args:
        make: what draws a rendering.
    """

    def __init__(self, file: DecoderFile, make: Callable[[Rendering], Renderer]):
        self.file, self._make = file, make
        self._made: dict[str, Renderer] = {}

    def __getitem__(self, name: str) -> Renderer:
        """Raises ValueError if a bound does not hold."""
        with READING:
            if name not in self._made:
                self._made[name] = self._make(self.file.rendering(name))
            return self._made[name]
