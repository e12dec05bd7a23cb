"""What a run leaves behind: a full state to resume from exactly, and weights to start others from.

state.pt                weights, average, optimiser, discriminator, random generators, step
weights.safetensors     the averaged weights, fp32; metadata: config (JSON), step
moments.safetensors     Adam's moments, bf16; metadata: step

A shipped model `NAME.safetensors` starts a run as well; its moments, if any, are `NAME.moments`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from .. import model_file
from ..files import write_with
from ..network.config import Config
from ..network.model import Network
from .soap import Soap
from .step import Step

STATE, WEIGHTS, MOMENTS = "state.pt", "weights.safetensors", "moments.safetensors"


def save_state(folder: Path, step: Step, position: dict[str, Any]) -> None:
    """Write state.pt, all or nothing. `position` is the loop's own: step, seconds, ..."""
    state = {
        "config": step.network.config.to_json(),
        "position": position,
        "network": step.network.state_dict(),
        "ema": step.ema.state_dict(),
        "optimizer": _moments(step.optimizer),
        "rival": step.rival
        and {
            "discriminator": step.rival.discriminator.state_dict(),
            "optimizer": _moments(step.rival.optimizer),
        },
        "random": torch.get_rng_state(),
        "random_cuda": torch.cuda.get_rng_state() if step.device.type == "cuda" else None,
    }
    write_with(folder / STATE, lambda path: torch.save(state, path))


def load_state(folder: Path, step: Step) -> dict[str, Any]:
    """Continue exactly from state.pt; returns the position. Raises ValueError if another."""
    state = torch.load(folder / STATE, map_location="cpu", weights_only=True)
    if Config.from_json(state["config"]) != step.network.config:
        raise ValueError(f"{folder / STATE} is of another network: {state['config']}")
    step.network.load_state_dict(state["network"])
    step.ema.load_state_dict(state["ema"])
    _restore(step.optimizer, state["optimizer"])
    if step.rival is not None and state.get("rival"):
        step.rival.discriminator.load_state_dict(state["rival"]["discriminator"])
        _restore(step.rival.optimizer, state["rival"]["optimizer"])
    if step.world.is_first:  # other processes go on with other noise
        torch.set_rng_state(state["random"])
        if state["random_cuda"] is not None and step.device.type == "cuda":
            torch.cuda.set_rng_state(state["random_cuda"])
    return state["position"]


def _moments(optimizer: torch.optim.Optimizer) -> list[dict[str, torch.Tensor]]:
    return [dict(optimizer.state[p]) for p in optimizer.param_groups[0]["params"]]


def _restore(optimizer: torch.optim.Optimizer, moments: list[dict[str, torch.Tensor]]) -> None:
    for p, saved in zip(optimizer.param_groups[0]["params"], moments, strict=True):
        for name, value in saved.items():
            optimizer.state[p][name].copy_(value)


def save_weights(folder: Path, step: Step, number: int) -> None:
    """Write the averaged weights, and Adam's moments beside them (SOAP's say nothing without their
    bases)."""
    metadata = {"config": step.network.config.to_json(), "step": str(number)}
    weights = {k: v.float().cpu().contiguous() for k, v in step.ema.state_dict().items()}
    write_with(folder / WEIGHTS, lambda path: save_file(weights, path, metadata))
    if isinstance(step.optimizer, Soap):
        return
    moments = {}
    for name, p in step.network.named_parameters():
        for key in ("exp_avg", "exp_avg_sq"):
            moments[f"{key}.{name}"] = step.optimizer.state[p][key].bfloat16().cpu().contiguous()
    count = step.optimizer.state[step.parameters[0]]["step"].item()
    write_with(folder / MOMENTS, lambda path: save_file(moments, path, {"step": str(int(count))}))


def load_weights(path: Path) -> Network:
    """A network (fp32) from exported float weights or from a shipped model's fp16 floats.

    Raises ValueError for a file that is neither, OSError.
    """
    metadata = read_metadata(path)
    if is_model(metadata):
        return model_file.load(path).network.requires_grad_(True)
    if "config" not in metadata:
        raise ValueError(f"{path} has no config in its metadata")
    network = Network(Config.from_json(metadata["config"]))
    network.load_state_dict(load_file(path))
    return network


def read_metadata(path: Path) -> dict[str, str]:
    """The metadata of a safetensors file. Raises ValueError for any other file, OSError."""
    with open(path, "rb"):  # safetensors' own errors name no file
        pass
    try:
        with safe_open(path, "pt") as file:
            return file.metadata() or {}
    except Exception as error:  # safetensors raises its own class
        raise ValueError(f"{path} is not a weights file: {error}") from error


def is_model(metadata: dict[str, str]) -> bool:
    """Whether a file with this metadata is a shipped model, with integers beside its floats."""
    return "id" in metadata


def load_moments(weights: Path, step: Step) -> bool:
    """Take the moments from the file beside exported weights, if there is one."""
    if "weights" in weights.name:
        path = weights.with_name(weights.name.replace("weights", "moments"))
    else:
        path = weights.with_suffix(".moments")
    if not path.exists() or isinstance(step.optimizer, Soap):
        return False
    with safe_open(path, "pt") as file:
        count = float(file.metadata()["step"])
        for name, p in step.network.named_parameters():
            for key in ("exp_avg", "exp_avg_sq"):
                step.optimizer.state[p][key].copy_(file.get_tensor(f"{key}.{name}"))
            step.optimizer.state[p]["step"].fill_(count)
    return True
