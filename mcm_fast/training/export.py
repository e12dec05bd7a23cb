"""From float weights to the file that the codec loads, and a second rendering into such a file."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import load_file, save_file

from .. import model_file
from ..network.model import Network
from .checkpoint import is_model, load_weights, read_metadata, write_whole

RENDERING = model_file.RENDERING + "perceptual."


def export(weights: Path, path: Path) -> None:
    """Float weights of a training run -> a model file. Raises ValueError, OSError."""
    if is_model(read_metadata(weights)):
        raise ValueError(f"{weights} is a model already, and its integers are not made anew")
    model_file.save(load_weights(weights), path)


def add_rendering(base: Path, network: Network, path: Path) -> None:
    """Write the model `base` with the synthesis of `network` as its perceptual rendering.

    Everything else is copied as it is: integers, floats and id, so streams stay the same. `base`
    is a model file, or float weights, which are exported first. The synthesis' parameters are
    stored as `rendering.perceptual.<parameter>` in fp16.
    """
    if not is_model(read_metadata(base)):
        export(base, path)
        base = path
    metadata = read_metadata(base)
    tensors = load_file(base)
    for name, tensor in network.synthesis.state_dict().items():
        tensors[RENDERING + name] = tensor.detach().half().cpu().contiguous()
    write_whole(path, lambda part: save_file(tensors, part, metadata))
