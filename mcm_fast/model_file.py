"""Model files: one safetensors file holds the network's floats, in half precision, and the
integers of the entropy model, which are stored and never recomputed (FORMAT.md, section 2).

Floats are called `network.<parameter>`; the metadata hold the configuration and the model's id. A
second rendering of the same streams is a second synthesis, `rendering.<name>.<parameter>`; what
draws previews is `preview.<parameter>`. A compact file leaves out the floats that its integers say,
to within their rounding (see `exact.dequantize`).
"""

from __future__ import annotations

import os
from typing import NamedTuple, TypeVar

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch.nn import Module

from .exact import dequantize
from .exact.model import CONTEXTS, IntegerModel
from .exact.quantize import export
from .network.config import Config
from .network.fast import synthesis_of
from .network.model import Network
from .network.preview import Preview
from .network.transforms import Synthesis
from .state import own_defaults

PREFIX, RENDERING, PREVIEW = "network.", "rendering.", "preview."
M = TypeVar("M", bound=Module)


class Model(NamedTuple):
    """What a model file holds: fp32, in eval mode, without gradients."""

    network: Network
    integers: IntegerModel
    renderings: dict[str, Synthesis]  # beside the faithful one, by name
    preview: Preview | None  # not every file has one


def save(
    network: Network,
    path: str | os.PathLike[str],
    counts: torch.Tensor | None = None,
    compact: bool = False,
) -> IntegerModel:
    """Export a network: its integers, and its floats as fp16. Returns the integers.

    `counts`: see `exact.quantize.export`.
    """
    integers = export(network, counts)
    left_out = dequantize.weight_names(network) if compact else ()
    state = {name: t for name, t in network.state_dict().items() if name not in left_out}
    state = {PREFIX + name: t.detach().half().cpu() for name, t in state.items()}
    metadata = {"config": network.config.to_json(), "id": integers.id.hex()}
    save_file({**integers.tensors, **_contiguous(state)}, path, metadata)
    return integers


def load(path: str | os.PathLike[str]) -> Model:
    """The network, the checked integers and the renderings of a model file.

    Raises ValueError for a file that is not one, whose tensors do not fit its configuration, or
    whose numbers break a bound. Nothing is made that is larger than the file says it is.
    """
    metadata, tensors = _read(path)
    try:
        config = _config(metadata)
        integers = IntegerModel(tensors, config.slices)
        _check_sizes(config, integers, tensors)
        with own_defaults():
            network = _network(config, tensors, integers)
            names = sorted({key.split(".")[1] for key in tensors if key.startswith(RENDERING)})
            renderings = {name: _rendering(config, tensors, name) for name in names}
            has_preview = any(key.startswith(PREVIEW) for key in tensors)
            preview = _filled(Preview(config), tensors, PREVIEW) if has_preview else None
    except ValueError as error:
        raise ValueError(f"{path} is not a model file: {error}") from error
    return Model(network, integers, renderings, preview)


def _read(path: str | os.PathLike[str]) -> tuple[dict[str, str], dict[str, torch.Tensor]]:
    try:
        with safe_open(path, "pt") as file:
            return file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}
    except FileNotFoundError:
        raise
    except Exception as error:  # safetensors raises its own class, and OSError
        raise ValueError(f"{path} is not a model file: {error}") from error


def _config(metadata: dict[str, str]) -> Config:
    try:
        config = Config.from_json(metadata["config"])
        counts = [config.slices, config.levels, *(stage.blocks for stage in config.stages)]
        sizes = [config.latent, config.hyper_latent, config.previous, config.hidden]
        sizes += [*config.hyper_widths, *config.context]
        sizes += [n for stage in config.stages for n in (stage.factor, stage.width)]
        sound = all(type(n) is int for n in counts + sizes) and all(0 <= n <= 256 for n in counts)
        sound &= all(stage.factor > 1 for stage in config.stages) and 0 < config.bottleneck <= 1
    except Exception as error:  # as many kinds as there are ways to be no configuration
        raise ValueError(f"it names no configuration ({error!r})") from error
    if not sound:
        raise ValueError(f"no network has the sizes {config}")
    return config


def _check_sizes(config: Config, integers: IntegerModel, tensors: dict[str, torch.Tensor]) -> None:
    """The sizes that all others follow from, before a network is made of them: a configuration
    must not ask for more memory than its file deserves."""

    def outputs(name: str) -> int:
        return len(integers.tensors[f"{name}.weight"])

    shape = [config.levels, config.latent, config.hyper_latent, config.previous, config.hidden]
    shape += [*config.hyper_widths, *config.context]
    expected = [integers.levels, integers.y_channels, integers.z_channels]
    expected.append(outputs("slice.1.previous") if config.slices > 1 else config.previous)
    expected.append(outputs("slice.0.hidden"))
    expected += [outputs("hyper.0") // 4, outputs("hyper.1") // 4, outputs("hyper.2")]
    expected += [outputs(f"slice.0.{part}") for part in CONTEXTS]
    fits, inputs = shape == expected, 3
    for i, stage in enumerate(config.stages):
        first = tensors.get(f"{PREFIX}analysis.stages.{i}.conv.weight", torch.empty(0))
        fits &= first.shape == (stage.width, inputs * stage.factor**2, 3, 3)
        inputs = stage.width
    if not fits:
        raise ValueError(f"its tensors do not have the sizes {config}")


def _network(config: Config, tensors: dict[str, torch.Tensor], integers: IntegerModel) -> Network:
    network = Network(config)
    names = dequantize.weight_names(network)
    compact = names.isdisjoint(key.removeprefix(PREFIX) for key in tensors)
    if compact:
        unfilled = {PREFIX + name: network.get_parameter(name) for name in names}
        tensors = tensors | unfilled
    _filled(network, tensors, PREFIX)
    if compact:
        dequantize.fill(network, integers)
    return network


def _rendering(config: Config, tensors: dict[str, torch.Tensor], name: str) -> Synthesis:
    """A synthesis beside the network's own, of the shape that its parameters' names say."""
    prefix = f"{RENDERING}{name}."
    parameters = [key.removeprefix(prefix) for key in tensors if key.startswith(prefix)]
    return _filled(synthesis_of(config, parameters), tensors, prefix)


def _filled(network: M, tensors: dict[str, torch.Tensor], prefix: str) -> M:
    """The network with the file's weights below `prefix`, in fp32."""
    state = {k.removeprefix(prefix): t for k, t in tensors.items() if k.startswith(prefix)}
    if not all(t.is_floating_point() and t.float().isfinite().all() for t in state.values()):
        raise ValueError(f"a weight of {prefix}* is not a finite number")
    try:
        network.load_state_dict(state)
    except RuntimeError as error:  # names and shapes
        raise ValueError(str(error)) from error
    return network.eval().requires_grad_(False)


def _contiguous(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: t.contiguous() for name, t in state.items()}
