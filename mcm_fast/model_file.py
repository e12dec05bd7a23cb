"""Model files: one safetensors file holds the network's floats, in half precision, and the
integers of the entropy model, which are stored and never recomputed (FORMAT.md, section 2).

Floats are called `network.<parameter>`; the metadata hold the configuration and the model's id. A
second rendering of the same streams is a second synthesis, `rendering.<name>.<parameter>`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from .exact.model import IntegerModel
from .exact.quantize import export
from .network.config import Config
from .network.model import Network
from .network.transforms import Synthesis

PREFIX, RENDERING = "network.", "rendering."


class Model(NamedTuple):
    """What a model file holds: fp32, in eval mode, without gradients."""

    network: Network
    integers: IntegerModel
    renderings: dict[str, Synthesis]  # beside the faithful one, by name


def save(
    network: Network, path: str | os.PathLike, counts: torch.Tensor | None = None
) -> IntegerModel:
    """Export a network: its integers, and its floats as fp16. Returns the integers.

    `counts`: see `exact.quantize.export`.
    """
    integers = export(network, counts)
    state = {PREFIX + name: t.detach().half().cpu() for name, t in network.state_dict().items()}
    metadata = {"config": network.config.to_json(), "id": integers.id.hex()}
    save_file({**integers.tensors, **_contiguous(state)}, path, metadata)
    return integers


def load(path: str | os.PathLike) -> Model:
    """The network, the checked integers and the renderings of a model file.

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
    network = Network(config)
    network.load_state_dict(_floats(tensors, PREFIX))
    renderings = {}
    for name in {key.split(".")[1] for key in tensors if key.startswith(RENDERING)}:
        renderings[name] = Synthesis(config).eval().requires_grad_(False)
        renderings[name].load_state_dict(_floats(tensors, f"{RENDERING}{name}."))
    integers = IntegerModel(tensors, config.slices)
    return Model(network.eval().requires_grad_(False), integers, renderings)


def _floats(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """The tensors below a prefix, without it, in fp32."""
    return {k.removeprefix(prefix): t.float() for k, t in tensors.items() if k.startswith(prefix)}


def model_id(path: Path) -> str:
    """The id that a model file states, in hex, without reading its tensors."""
    with safe_open(path, "pt") as file:
        return (file.metadata() or {}).get("id", "")


def _contiguous(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: t.contiguous() for name, t in state.items()}
