"""The functions of the public face: they find the model and hand over to its `Codec`."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from . import container, model_file, presets
from .codec import FAITHFUL, Codec
from .errors import BitstreamError
from .inputs import Bytes, as_bytes, usable_device

DEFAULT = "small"


def load(
    model: str = DEFAULT, device: str | torch.device = "cpu", engine: str | None = None
) -> Codec:
    """The codec of an installed model.

    Args:
        model: a name of `models()`.
        device: where the transforms run and images come back.
        engine: "reference" or "cpu"; None: the fastest. Never replaced silently.

    Raises ValueError for an unknown model or engine, ImportError for an engine that is not built.
    """
    return _load(model, str(usable_device(device)), engine)


@functools.lru_cache(maxsize=4)
def _load(model: str, device: str, engine: str | None) -> Codec:
    path = presets.WEIGHTS / f"{model}.safetensors"
    if model not in models():
        installed = ", ".join(models()) or "none"
        raise ValueError(f"unknown model {model!r}; installed: {installed}")
    return Codec.from_file(path, device, engine)


@functools.cache
def models() -> dict[str, str]:
    """The installed models: name -> id in hex."""
    paths = sorted(presets.WEIGHTS.glob("*.safetensors"))
    return {path.stem: model_file.model_id(path) for path in paths}


def compress(
    image: Tensor,
    quality: float = 50.0,
    *,
    model: str = DEFAULT,
    device: str | torch.device | None = None,
    **options,
) -> bytes | list[bytes]:
    """`Codec.compress` with an installed model, on the image's own device unless named."""
    if device is None:
        device = image.device if isinstance(image, Tensor) else "cpu"
    return load(model, device).compress(image, quality, **options)


def decompress(
    stream: Bytes | list[Bytes],
    *,
    device: str | torch.device = "cpu",
    rendering: str = FAITHFUL,
) -> Tensor | list[Tensor]:
    """`Codec.decompress` with the model that each stream names.

    Raises BitstreamError for damaged bytes, or when the stream's model is not installed, ValueError
    when the model has no such rendering.
    """
    if isinstance(stream, list | tuple):
        return [decompress(one, device=device, rendering=rendering) for one in stream]
    data = as_bytes(stream)
    return load(_model_of(data), device).decompress(data, rendering)


def info(stream: Bytes) -> dict:
    """What a stream's header says, as plain values, and the `name` of its model (or None)."""
    found = container.info(as_bytes(stream))
    return {**found, "name": _names().get(found["model"])}


def _model_of(data: bytes) -> str:
    wanted = container.unpack(data).model.hex()
    if wanted not in _names():
        installed = ", ".join(f"{name} ({key})" for name, key in models().items()) or "none"
        raise BitstreamError(f"the stream needs model {wanted}; installed: {installed}")
    return _names()[wanted]


def _names() -> dict[str, str]:
    return {key: name for name, key in models().items()}
