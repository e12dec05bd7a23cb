"""The integer renderings that belong to a codec, where the decoder's file of its model is."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch

from .exact.identity import MODEL, identity
from .exact.pixels.cpu import CpuRenderer
from .exact.pixels.cuda import CudaRenderer
from .exact.pixels.decoder_file import DecoderFile
from .exact.pixels.renderers import READING, Renderers
from .exact.pixels.rendering import Rendering
from .installed import find_decoder

Renderer = CpuRenderer | CudaRenderer


class ExactPixels:
    """Looks for the file when it is first needed: beside the model's, then among the installed.

    A GPU draws on itself; for any other device the CPU does. Copies of a codec share one.
    """

    def __init__(self, model_id: bytes, model: Path | None, device: torch.device):
        self.model_id, self.model, self.device = model_id, model, device
        self._renderers: Renderers[Renderer] | None = None

    def renderer(self, name: str) -> Renderer | None:
        """None where there is no file of this model, or no such rendering in it. Raises ValueError
        for a file that is not a decoder's."""
        with READING:
            if self._renderers is None:
                self._renderers = self._found()
            if self._renderers is None or name not in self._renderers.file.renderings:
                return None
            return self._renderers[name]

    def _found(self) -> Renderers[Renderer] | None:
        path = find_decoder(self.model_id, self.model)
        if path is None:
            return None
        file = DecoderFile(path)
        integers = file.integers()
        if identity(MODEL, integers) != self.model_id:
            raise ValueError(f"{path} is not of the model whose id it states")
        if self.device.type != "cuda":
            return Renderers(file, CpuRenderer)
        return Renderers(file, partial(self._on_device, len(integers["tables.shift"])))

    def _on_device(self, indexes: int, rendering: Rendering) -> CudaRenderer:
        """`indexes`: as many as the model says. It is asked here: a GPU would have to be waited
        for."""
        known = len(rendering.tensors["means"])
        if indexes > known and not rendering.sees_y_alone:
            raise ValueError(f"a rendering for {known} indexes; those of its model are {indexes}")
        return CudaRenderer(rendering, self.device)
