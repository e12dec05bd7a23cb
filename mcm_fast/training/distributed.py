"""Several processes, one a device, as torchrun starts them; a single process is the default.

Gradients are averaged, so every process holds the same weights. Rank 0 alone writes and prints.
"""

from __future__ import annotations

import gc
import os
from typing import NamedTuple

import torch
import torch.distributed as dist
import torch.distributed.nn.functional  # noqa: F401 (before a group is there: its defaults keep it)
from torch import Tensor


class World(NamedTuple):
    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        return self.rank == 0


def join(device: str) -> tuple[World, str]:
    """Join the group of torchrun's environment; returns this process' place and device."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        return World(), device
    on_gpu = device.startswith("cuda")
    if on_gpu:
        device = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(device)
    dist.init_process_group("cpu:gloo,cuda:nccl" if on_gpu else "gloo")
    return World(dist.get_rank(), size), device


def leave() -> None:
    """Leave the group and wait for its threads, once nothing else holds it.

    A thread of gloo that frees a tensor while the interpreter ends aborts the process. The threads
    end with the group, and a module wrapped for it keeps the group alive: let go of it first.
    """
    if dist.is_initialized():
        gc.collect()
        dist.destroy_process_group()


def agree(value: float, world: World) -> float:
    """Rank 0's value: clocks differ, and a schedule by the clock must not."""
    if world.size == 1:
        return value
    shared = torch.tensor(value, dtype=torch.float64)
    dist.broadcast(shared, 0)
    return shared.item()


def average(gradients: list[Tensor], world: World) -> None:
    """Replace each gradient by its mean over the processes."""
    if world.size > 1:
        for gradient in gradients:
            dist.all_reduce(gradient)
            gradient /= world.size


def total(value: Tensor, world: World) -> Tensor:
    """The sum over the processes, in place."""
    if world.size > 1:
        dist.all_reduce(value)
    return value
