"""The integer renderings that belong to a codec, where the decoder's file of its model is."""

from __future__ import annotations

from pathlib import Path

from .exact.identity import MODEL, identity
from .exact.pixels.cpu import CpuRenderer
from .exact.pixels.decoder_file import DecoderFile
from .exact.pixels.renderers import READING, Renderers
from .installed import find_decoder


class ExactPixels:
    """Looks for the file when it is first needed: beside the model's, then among the installed.

    Copies of a codec share one.
    """

    def __init__(self, model_id: bytes, model: Path | None):
        self.model_id, self.model = model_id, model
        self._renderers: Renderers | None = None

    def renderer(self, name: str) -> CpuRenderer | None:
        """None where there is no file of this model, or no such rendering in it. Raises ValueError
        for a file that is not a decoder's."""
        with READING:
            if self._renderers is None:
                self._renderers = self._found()
            if self._renderers is None or name not in self._renderers.file.renderings:
                return None
            return self._renderers[name]

    def _found(self) -> Renderers | None:
        path = find_decoder(self.model_id, self.model)
        if path is None:
            return None
        file = DecoderFile(path)
        if identity(MODEL, file.integers()) != self.model_id:
            raise ValueError(f"{path} is not of the model whose id it states")
        return Renderers(file)
