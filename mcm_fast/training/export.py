"""From float weights to the file that the codec loads, and a second rendering into such a file."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from .. import model_file
from ..files import write_with
from ..network.fast import FastSynthesis
from ..network.model import Network
from ..network.preview import Preview
from ..presets import FAITHFUL
from .checkpoint import is_model, load_weights, read_metadata


def export(
    weights: Path,
    path: Path,
    calibrate: tuple[Path, ...] = (),
    images: int = 800,
    compact: bool = False,
) -> None:
    """Float weights of a training run -> a model file. Raises ValueError, OSError.

    With `calibrate` (folders of images or tar shards) the tables fit the symbols of that many
    training images, each at its own quality. `compact`: see `model_file`.
    """
    if is_model(read_metadata(weights)):
        raise ValueError(f"{weights} is a model already, and its integers are not made anew")
    network = load_weights(weights)
    counts = None
    if calibrate:
        from . import data
        from .config import Options

        counts = count(network, data.load(Options(data=calibrate, steps=1)).train[:images])
    model_file.save(network, path, counts, compact)


def count(network: Network, tiles: Tensor) -> Tensor:
    """The symbols of y over uint8 tiles (N, 3, S, S), at qualities spread evenly over the range."""
    from ..codec import Codec
    from ..exact.calibrate import count_symbols
    from ..exact.quantize import export as integers_of

    codec = Codec(network, integers_of(network))
    total: Tensor | int = 0
    golden = 0.6180339887  # fractions of its multiples fill the range evenly
    for n, tile in enumerate(tiles):
        latents = codec.analysis(tile, 100 * (n * golden % 1))
        parameters = codec.engine.parameters(latents.y, latents.z, latents.quality_steps)
        total = total + count_symbols(codec.integers, latents.y, parameters)
    return torch.as_tensor(total)


def put_synthesis(
    base: Path, network: Network, path: Path, rendering: str = "perceptual", blend: float = 1.0
) -> None:
    """Write the model `base` with the synthesis of `network` as one of its renderings.

    Everything else is copied as it is: integers, other floats and id, so streams stay the same.

    Args:
        base: a model file, or float weights, which are exported first.
        rendering: "faithful" replaces the model's own synthesis; another is stored beside it in
            fp16, as `rendering.<name>.<parameter>`.
        blend: how far to go from the model's own synthesis to this one, 0 .. 1. The weights are
            interpolated, which trades their qualities smoothly where one was trained from the other
            (Wang et al., ESRGAN, ECCV Workshops 2018, section 3.4).
    """
    if not rendering.isidentifier():
        raise ValueError(f"a rendering cannot be called {rendering!r}")
    if not 0 <= blend <= 1:
        raise ValueError(f"blend is in 0 .. 1, not {blend}")
    if isinstance(network.synthesis, FastSynthesis) and (blend < 1 or rendering == FAITHFUL):
        raise ValueError("a fast synthesis is a rendering of its own, and blends with no other")
    if not is_model(read_metadata(base)):
        export(base, path)
        base = path
    metadata = read_metadata(base)
    tensors = load_file(base)
    own = model_file.PREFIX + "synthesis."
    prefix = own if rendering == FAITHFUL else f"{model_file.RENDERING}{rendering}."
    blended = {}
    for name, tensor in network.synthesis.state_dict().items():
        tensor = tensor.detach().float().cpu()
        if blend < 1:
            tensor = tensors[own + name].float().lerp(tensor, blend)
        blended[prefix + name] = tensor
    tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith(prefix)}
    tensors |= {name: tensor.half().contiguous() for name, tensor in blended.items()}
    write_with(path, lambda part: save_file(tensors, part, metadata))


def put_preview(base: Path, head: Preview, path: Path) -> None:
    """Write the model `base` with this head, in fp16; everything else is copied as it is.

    Raises ValueError if `base` is no model file.
    """
    metadata = read_metadata(base)
    if not is_model(metadata):
        raise ValueError(f"{base} is no model file: export it first")
    tensors = load_file(base)
    for name, tensor in head.state_dict().items():
        tensors[model_file.PREVIEW + name] = tensor.detach().half().cpu().contiguous()
    write_with(path, lambda part: save_file(tensors, part, metadata))
