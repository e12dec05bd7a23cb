"""The renderers of a decoder's file, each made when it is first needed. Imports no torch."""

from __future__ import annotations

import os
import threading

from .cpu import CpuRenderer
from .decoder_file import DecoderFile

READING = threading.RLock()  # of a decoder's file: threads that come at once read it once
# A fork waits for whoever reads: in the child nobody would let go of the lock.
os.register_at_fork(
    before=READING.acquire, after_in_parent=READING.release, after_in_child=READING.release
)


class Renderers:
    """Any number of threads may share it."""

    def __init__(self, file: DecoderFile, threads: int | None = None):
        self.file, self.threads = file, threads
        self._made: dict[str, CpuRenderer] = {}

    def __getitem__(self, name: str) -> CpuRenderer:
        """Raises ValueError if a bound does not hold."""
        with READING:
            if name not in self._made:
                self._made[name] = CpuRenderer(self.file.rendering(name), self.threads)
            return self._made[name]
