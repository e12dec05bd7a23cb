"""The CUDA engine: kernels/ and csrc/cuda/ behind the interface of `engine.Engine`.

    decode    decode.py       segments, checked, to latents
              wavefront.py    the wavefront of a batch: its memory and its CUDA graphs
    encode    encode.py       all positions at once
    both      layers.py       the integer layers, Triton kernels
              batch.py        where images of any sizes lie
              device.py       the range coder's launchers

Latents and parameters stay on the device. On the CPU the same code runs for proof: Triton's kernels
interpreted (TRITON_INTERPRET=1), the coder's as host code, and a loop in place of the graphs.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from ...errors import BitstreamError
from ...tensor_inputs import check_device
from ..engine import (
    CodedItem,
    Decoded,
    Encoded,
    LatentsItem,
    Parameters,
    Part,
    latents_of,
    part_of,
)
from ..extension import extension
from ..model import IntegerModel
from .batch import check_size, in_batches
from .decode import Decoder
from .device import current, launchers
from .encode import Encoder
from .layers import Arrays, Layers


class CudaEngine:
    """See `engine.Engine`. Any number of threads may use it; one at a time is served.

    Raises:
        ImportError: triton or the CUDA coder is missing.
        ValueError: the device is not a CUDA device, or cannot be used.
    """

    def __init__(self, model: IntegerModel, device: str | torch.device = "cuda"):
        self.model, self.device = model, check_device(device)
        launchers(self.device)
        self._lock = threading.Lock()
        with self._turn():
            layers, tables = Layers(model, self.device), _tables(model, self.device)
            self._encoder = Encoder(model, layers, tables)
            self._decoder = Decoder(model, layers, tables)

    def parameters(
        self, y: Tensor, z: Tensor, quality: int, part: Part | None = None
    ) -> Parameters:
        self._check(y, z, quality)
        with self._turn():
            return part_of(self._encoder.parameters([(y, z, quality)])[0], part)

    def encode(self, items: Sequence[LatentsItem]) -> list[Encoded]:
        for item in items:
            self._check(*item)
        sizes = [(*y.shape[1:], quality) for y, _, quality in items]
        return self._share_out(self._encoder.encode, items, sizes)

    def decode(self, items: Sequence[CodedItem]) -> list[Decoded | BitstreamError]:
        return self._share_out(self._decoder.decode, items, [size for _, *size in items])

    def decode_rows(
        self, items: Sequence[CodedItem], rows: Sequence[int]
    ) -> list[tuple[Tensor, Tensor] | BitstreamError]:
        return latents_of(self.decode(items))

    def cost(self, y: Tensor, z: Tensor, quality: int) -> float:
        self._check(y, z, quality)
        with self._turn():
            return self._encoder.cost((y, z, quality))

    def _share_out(self, code: Callable, items: Sequence[tuple], sizes: Sequence) -> list:
        """code(items) of as many at once as memory should hold."""
        with self._turn():
            return [image for part in in_batches(sizes) for image in code(items[part])]

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """For one thread at a time: memory is kept, and nothing of it is in use afterwards."""
        # Tensors made in inference mode could not be written to outside of it.
        with self._lock, torch.inference_mode(False), torch.no_grad(), current(self.device):
            try:
                yield
            except BaseException:
                if self.device.type == "cuda":
                    torch.cuda.synchronize()
                raise

    def _check(self, y: Tensor, z: Tensor, quality: int) -> None:
        """Latents of one image; ValueError otherwise."""
        for tensor in (y, z):
            if tensor.dtype != torch.int16 or tensor.dim() != 3:
                kind = f"{tensor.dtype} {tuple(tensor.shape)}"
                raise ValueError(f"expected torch.int16 (channels, height, width), not {kind}")
        channels, height, width = y.shape
        check_size(self.model, height, width, quality)
        quarter = -(-height // 4), -(-width // 4)
        if channels != self.model.y_channels or z.shape != (self.model.z_channels, *quarter):
            raise ValueError(f"y {tuple(y.shape)} and z {tuple(z.shape)} do not fit the model")


def _tables(model: IntegerModel, device: torch.device) -> Arrays:
    """y's tables in one blob, z's of all levels in another (csrc/warp/tables.h)."""
    tables = [model.tensors[f"tables.{name}"].numpy() for name in ("cdf", "start", "minimum")]
    of_y, of_z = model.y_tables, model.levels * model.z_channels
    fields = {}
    for name, first, count in (("y", 0, of_y), ("z", of_y, of_z)):
        blob = torch.from_numpy(extension().warp.pack_tables(*tables, first, count)).to(device)
        fields |= {f"{name}_tables": blob, f"{name}_tables_size": len(blob)}
    return fields
