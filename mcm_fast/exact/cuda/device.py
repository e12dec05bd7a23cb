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


def send(
    arrays: Mapping[str, np.ndarray], device: torch.device, memory: Tensor | None = None
) -> dict[str, Tensor]:
    """The arrays on a device, after one copy that nobody waits for.

    memory: uint8, where they go, each behind those before it. New if not given.
    """
    size, at, sent = sent_size(arrays), 0, {}
    host = torch.empty(size, dtype=torch.uint8, pin_memory=device.type == "cuda")
    if memory is None:
        memory = torch.empty(size, dtype=torch.uint8, device=device)
    for name, array in arrays.items():
        here = slice(at, at + array.nbytes)
        host.numpy()[here] = np.frombuffer(array.tobytes(), np.uint8)
        dtype = torch.from_numpy(np.empty(0, array.dtype)).dtype
        sent[name] = memory[here].view(dtype).view(array.shape)
        at += sent_size({name: array})
    memory[:size].copy_(host, non_blocking=True)
    return sent


def bring(tensors: Sequence[Tensor]) -> list[Tensor]:
    """The tensors on the host, after one copy that is waited for."""
    flat = [tensor.flatten().view(torch.uint8) for tensor in tensors]
    parts = torch.cat(flat).cpu().split([len(part) for part in flat])
    pairs = zip(parts, tensors, strict=True)
    return [part.clone().view(tensor.dtype).view(tensor.shape) for part, tensor in pairs]
