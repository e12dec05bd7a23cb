"""Copies to and from a device, and the launchers of csrc/warp/launchers.h that run there.

A launcher is a CUDA kernel, or host code for memory of the CPU.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from ..extension import cuda_extension, extension

_ALIGNED = 256  # bytes: as torch's allocator; for less than 16 Triton would compile kernels again


def launchers(device: torch.device) -> ModuleType:
    """The module whose launchers take memory of that device."""
    return cuda_extension() if device.type == "cuda" else extension().warp


def use_dependent_launches(device: torch.device, use: bool) -> None:
    """Programmatic dependent launches of the coder's steps, in this process. ValueError where a
    GPU has none."""
    if device.type != "cuda":
        return
    if use and torch.cuda.get_device_capability(device) < (9, 0):
        raise ValueError(f"MCM_FAST_PDL=1, but {device} has no programmatic dependent launches")
    cuda_extension().use_dependent_launches(use)


def current(device: torch.device) -> contextlib.AbstractContextManager:
    """Within it a GPU is the current device, as launches want it."""
    return torch.cuda.device(device) if device.type == "cuda" else contextlib.nullcontext()


def launch(device: torch.device, name: str, fields: Mapping[str, int | Tensor]) -> None:
    """Queues it on the current stream. The device must be the current one.

    fields: those of the launcher's struct, tensors for arrays; others are not looked at.
    """
    module = launchers(device)
    structs = {"encode": module.ENCODING, "encode_symbols": module.SYMBOLS}
    structs["decode_symbols"] = module.SYMBOLS
    values = [fields[field] for field in structs.get(name, module.DECODING)]
    pointers = [value.data_ptr() if isinstance(value, Tensor) else value for value in values]
    stream = torch.cuda.current_stream().cuda_stream if device.type == "cuda" else 0
    getattr(module, name)(pointers, stream)


def sent_size(arrays: Mapping[str, np.ndarray]) -> int:
    """Bytes that they take on a device."""
    return sum(-(-array.nbytes // _ALIGNED) * _ALIGNED for array in arrays.values())


class Parcel:
    """Arrays that go to a device in one copy that nobody waits for, again and again.

    Args:
        fixed: arrays whose shapes stay. `on` has them on the device.
        size: bytes of them and of what is sent behind them, at most (`sent_size`).
    """

    def __init__(self, fixed: Mapping[str, np.ndarray], size: int, device: torch.device):
        self.host = torch.empty(size, dtype=torch.uint8, pin_memory=device.type == "cuda")
        self.bytes = self.host.numpy()
        self.memory = torch.empty(size, dtype=torch.uint8, device=device)
        self.places, self.end = _places(fixed, 0)
        self.on = {name: self._there(at, fixed[name]) for name, at in self.places.items()}
        self.here = {name: self._here(at, fixed[name]) for name, at in self.places.items()}

    def send(
        self, fixed: Mapping[str, np.ndarray], more: Mapping[str, np.ndarray]
    ) -> dict[str, Tensor]:
        """All of them on the device. What was sent before must have arrived: its memory on the
        host is used again."""
        for name, array in fixed.items():
            self.here[name][...] = array
        places, end = _places(more, self.end)
        for name, at in places.items():
            self._here(at, more[name])[...] = more[name]
        self.memory[:end].copy_(self.host[:end], non_blocking=True)
        return self.on | {name: self._there(at, more[name]) for name, at in places.items()}

    def _here(self, at: int, array: np.ndarray) -> np.ndarray:
        return self.bytes[at : at + array.nbytes].view(array.dtype).reshape(array.shape)

    def _there(self, at: int, array: np.ndarray) -> Tensor:
        dtype = getattr(torch, array.dtype.name)
        return self.memory[at : at + array.nbytes].view(dtype).view(array.shape)


def _places(arrays: Mapping[str, np.ndarray], at: int) -> tuple[dict[str, int], int]:
    """Where each begins, one behind the other from a place on, and where the last one ends."""
    places = {}
    for name, array in arrays.items():
        places[name] = at
        at += sent_size({name: array})
    return places, at


def send(arrays: Mapping[str, np.ndarray], device: torch.device) -> dict[str, Tensor]:
    """The arrays on a device, after one copy that nobody waits for."""
    return Parcel(arrays, sent_size(arrays), device).send(arrays, {})


def bring(tensors: Sequence[Tensor]) -> list[Tensor]:
    """The tensors on the host, after one copy that is waited for."""
    flat = [tensor.flatten().view(torch.uint8) for tensor in tensors]
    parts = torch.cat(flat).cpu().split([len(part) for part in flat])
    pairs = zip(parts, tensors, strict=True)
    return [part.clone().view(tensor.dtype).view(tensor.shape) for part, tensor in pairs]
