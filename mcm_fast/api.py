"""The functions of the public face: they find the model and hand over to its `Codec`."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import torch
from torch import Tensor

from . import container, model_file, presets
from .batch import RAISE, RETURN, check_errors, each, together
from .codec import FAITHFUL, Codec
from .errors import BitstreamError
from .inputs import Bytes, Images, as_bytes, split, usable_device
from .limits import MAX_PIXELS, TILE_PIXELS

DEFAULT = "small"


def load(
    model: str = DEFAULT,
    device: str | torch.device = "cpu",
    engine: str | None = None,
    *,
    max_pixels: int = MAX_PIXELS,
    tile_pixels: int = TILE_PIXELS,
) -> Codec:
    """The codec of an installed model.

    Args:
        model: a name of `models()`.
        device: where the transforms run and images come back.
        engine: "reference", "cpu" or "cuda"; None: "cuda" for a CUDA device, else "cpu". Never
            replaced silently.
        max_pixels, tile_pixels: see `Codec`.

    Raises ValueError for an unknown model or engine, or a device that cannot be used, ImportError
    for an engine that is not built.
    """
    codec = _load(model, str(usable_device(device)), engine)
    return codec.limited(max_pixels=max_pixels, tile_pixels=tile_pixels)


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
    image: Images,
    quality: float = 50.0,
    *,
    model: str = DEFAULT,
    device: str | torch.device | None = None,
    max_pixels: int = MAX_PIXELS,
    **options,
) -> bytes | list[bytes]:
    """`Codec.compress` with an installed model, on the image's own device unless named."""
    if device is None:
        first = (split(image) or [image])[0]
        device = first.device if isinstance(first, Tensor) else "cpu"
    return load(model, device, max_pixels=max_pixels).compress(image, quality, **options)


def decompress(
    stream: Bytes | Sequence[Bytes],
    *,
    device: str | torch.device = "cpu",
    rendering: str = FAITHFUL,
    max_pixels: int = MAX_PIXELS,
    errors: str = RAISE,
) -> Tensor | list[Tensor]:
    """`Codec.decompress` with the model that each stream names.

    Raises BitstreamError for damaged bytes, or when the stream's model is not installed, ValueError
    when the model has no such rendering.
    """
    check_errors(errors)
    options = {"device": device, "rendering": rendering, "max_pixels": max_pixels}
    if isinstance(stream, list | tuple):
        named = each(lambda one: _named(one, max_pixels), stream, errors)
        return together(lambda good: _decompress_named(good, **options), named, errors)
    model, data = _named(stream, max_pixels)
    return load(model, device, max_pixels=max_pixels).decompress(data, rendering)


def _decompress_named(
    named: list[tuple[str, bytes]], device, rendering: str, max_pixels: int
) -> list[Tensor | Exception]:
    """Streams with their models' names: those of one model together."""
    images = {}
    for model in {name for name, _ in named}:
        codec = load(model, device, max_pixels=max_pixels)
        mine = {i: data for i, (name, data) in enumerate(named) if name == model}
        found = codec.decompress(list(mine.values()), rendering, errors=RETURN)
        images.update(zip(mine, found, strict=True))
    return [images[i] for i in range(len(named))]


def info(stream: Bytes) -> dict:
    """What a stream's header says, as plain values, and the `name` of its model (or None)."""
    found = container.info(as_bytes(stream))
    return {**found, "name": _names().get(found["model"])}


def _named(stream: Bytes, max_pixels: int) -> tuple[str, bytes]:
    """The name of a stream's model, and the bytes."""
    data = as_bytes(stream)
    wanted = container.unpack(data, max_pixels).model.hex()
    if wanted not in _names():
        installed = ", ".join(f"{name} ({key})" for name, key in models().items()) or "none"
        raise BitstreamError(f"the stream needs model {wanted}; installed: {installed}")
    return _names()[wanted], data


def _names() -> dict[str, str]:
    return {key: name for name, key in models().items()}
