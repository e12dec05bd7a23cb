"""Model files: one safetensors file holds the network's floats, in half precision, and the
integers of the entropy model, which are stored and never recomputed (FORMAT.md, section 2).

Floats are called `network.<parameter>`; the metadata hold the configuration and the model's id.
"""

from __future__ import annotations

import os
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from .exact.model import IntegerModel
from .exact.quantize import export
from .network.config import Config
from .network.model import Network

PREFIX = "network."


def save(network: Network, path: str | os.PathLike) -> IntegerModel:
    """Export a network: its integers, and its floats as fp16. Returns the integers."""
    integers = export(network)
    state = {PREFIX + name: t.detach().half().cpu() for name, t in network.state_dict().items()}
    metadata = {"config": network.config.to_json(), "id": integers.id.hex()}
    save_file({**integers.tensors, **_contiguous(state)}, path, metadata)
    return integers


def load(path: str | os.PathLike) -> tuple[Network, IntegerModel]:
    """The network (fp32, eval mode) and the checked integers of a model file.

    Raises ValueError for a file that is not one, or whose integers break a bound.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except Exception as error:  # safetensors raises its own class, and OSError
        raise ValueError(f"{path} is not a model file: {error}") from error
    if "config" not in metadata:
        raise ValueError(f"{path} is not a model file: it names no configuration")
    config = Config.from_json(metadata["config"])
    floats = {k.removeprefix(PREFIX): t for k, t in tensors.items() if k.startswith(PREFIX)}
    network = Network(config)
    network.load_state_dict({name: t.float() for name, t in floats.items()})
    integers = IntegerModel(
        {k: t for k, t in tensors.items() if not k.startswith(PREFIX)}, config.slices
    )
    return network.eval().requires_grad_(False), integers


def model_id(path: Path) -> str:
    """The id that a model file states, in hex, without reading its tensors."""
    with safe_open(path, "pt") as file:
        return (file.metadata() or {}).get("id", "")


def _contiguous(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: t.contiguous() for name, t in state.items()}
