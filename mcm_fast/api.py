"""The functions of the public face: they find the model and hand over to its `Codec`."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, overload

import torch
from torch import Tensor

from . import container, model_file, presets
from .codec import Codec
from .container import Stream
from .errors import BitstreamError, Reason
from .inputs import Bytes, as_bytes, check_device, check_many, check_on_error
from .limits import MAX_PIXELS, TILE_PIXELS
from .loaded import FAITHFUL
from .many import attempt, settle
from .metadata import named

DEFAULT = "small"
MODELS_PATH = "MCM_FAST_MODELS"  # folders of more model files, with os.pathsep between them
Model = str | os.PathLike[str]  # an installed model's name, or a model file's path
_LOADING = threading.Lock()


def load(
    model: Model = DEFAULT,
    device: str | torch.device = "cpu",
    engine: str | None = None,
    *,
    max_pixels: int = MAX_PIXELS,
    tile_pixels: int = TILE_PIXELS,
) -> Codec:
    """The codec of a model.

        codec = mcm_fast.load("small")

    Args:
        model: a name of `models()`, or the path of a model file.
        device: where the transforms run and images come back.
        engine: "reference", "cpu" or "cuda"; None: "cuda" for a CUDA device, else "cpu". Never
            replaced silently.
        max_pixels, tile_pixels: see `Codec`.

    Raises ValueError for an unknown model or engine, or a device that cannot be used, ImportError
    for an engine that is not built.
    """
    path = _path_of(model)
    with _LOADING:
        codec = _load(str(path), path.stat().st_mtime_ns, str(check_device(device)), engine)
    return codec.with_limits(max_pixels=max_pixels, tile_pixels=tile_pixels)


def models() -> dict[str, str]:
    """The installed models, name -> id in hex: those of the package, and of the folders that the
    environment variable MCM_FAST_MODELS names."""
    return {name: _model_id(str(path), path.stat().st_mtime_ns) for name, path in _files().items()}


def compress(
    image: Tensor,
    quality: float | None = None,
    *,
    model: Model = DEFAULT,
    device: str | torch.device | None = None,
    target_bpp: float | None = None,
    metadata: Mapping[str, bytes] | None = None,
    max_pixels: int = MAX_PIXELS,
) -> bytes:
    """Compress an image to the bytes of a `.mcm` stream.

        stream = mcm_fast.compress(image, quality=50)

    Args:
        image: (3, H, W), uint8 or float in [0, 1], on any device.
        quality: 0 .. 100, in steps of 0.01; 50 if neither it nor target_bpp is given.
        model: a name of `models()`, or the path of a model file.
        device: where the transforms run; the image's own unless named.
        target_bpp: instead of a quality, bits a pixel of the stream without its metadata. Warns
            (UserWarning) when no quality comes within 2 %.
        metadata: to carry beside the picture: {"icc_profile": ..., "exif": ...}, bytes.
        max_pixels: larger images are refused.

    Raises ValueError for anything else.
    """
    codec = load(model, _device_of(image, device), max_pixels=max_pixels)
    return codec.compress(image, quality, target_bpp=target_bpp, metadata=metadata)


@overload
def compress_many(
    images: Sequence[Tensor] | Tensor,
    quality: float | None = None,
    *,
    model: Model = DEFAULT,
    device: str | torch.device | None = None,
    target_bpp: float | None = None,
    metadata: Mapping[str, bytes] | None = None,
    max_pixels: int = MAX_PIXELS,
    on_error: Literal["raise"] = "raise",
) -> list[bytes]: ...
@overload
def compress_many(
    images: Sequence[Tensor] | Tensor,
    quality: float | None = None,
    *,
    model: Model = DEFAULT,
    device: str | torch.device | None = None,
    target_bpp: float | None = None,
    metadata: Mapping[str, bytes] | None = None,
    max_pixels: int = MAX_PIXELS,
    on_error: Literal["return"],
) -> list[bytes | Exception]: ...
def compress_many(
    images: Sequence[Tensor] | Tensor,
    quality: float | None = None,
    *,
    model: Model = DEFAULT,
    device: str | torch.device | None = None,
    target_bpp: float | None = None,
    metadata: Mapping[str, bytes] | None = None,
    max_pixels: int = MAX_PIXELS,
    on_error: Literal["raise", "return"] = "raise",
) -> Any:
    """Compress images of any sizes: a list of (3, H, W), or a batch (N, 3, H, W).

    Each stream equals that of `compress`, whose arguments these are. The device is that of the
    first image unless named. `on_error`: "raise" the first error with its image's index, or
    "return" each in its image's place.
    """
    images = check_many(images, "images")
    codec = load(model, _device_of(images[0] if images else None, device), max_pixels=max_pixels)
    options: dict[str, Any] = {"target_bpp": target_bpp, "metadata": metadata}
    return codec.compress_many(images, quality, **options, on_error=on_error)


def decompress(
    stream: Bytes | Stream,
    *,
    model: Model | None = None,
    device: str | torch.device = "cpu",
    rendering: str = FAITHFUL,
    max_pixels: int = MAX_PIXELS,
) -> Tensor:
    """The image of a stream: uint8 (3, H, W) on the device.

        image = mcm_fast.decompress(stream)

    Args:
        stream: bytes, a binary file, or what `container.unpack` made of them.
        model: the installed one that the stream names unless given, by name or path.
        device: where synthesis runs and the image comes back.
        rendering: which of the model's syntheses paints the picture.
        max_pixels: larger images are refused.

    Raises BitstreamError for bytes that cannot be decoded, with their `reason`; ValueError when the
    model has no such rendering.
    """
    stream = _unpack(stream, max_pixels)
    codec = load(_named(stream) if model is None else model, device, max_pixels=max_pixels)
    return codec.decompress(stream, rendering)


@overload
def decompress_many(
    streams: Sequence[Bytes | Stream],
    *,
    model: Model | None = None,
    device: str | torch.device = "cpu",
    rendering: str = FAITHFUL,
    max_pixels: int = MAX_PIXELS,
    on_error: Literal["raise"] = "raise",
) -> list[Tensor]: ...
@overload
def decompress_many(
    streams: Sequence[Bytes | Stream],
    *,
    model: Model | None = None,
    device: str | torch.device = "cpu",
    rendering: str = FAITHFUL,
    max_pixels: int = MAX_PIXELS,
    on_error: Literal["return"],
) -> list[Tensor | Exception]: ...
def decompress_many(
    streams: Sequence[Bytes | Stream],
    *,
    model: Model | None = None,
    device: str | torch.device = "cpu",
    rendering: str = FAITHFUL,
    max_pixels: int = MAX_PIXELS,
    on_error: Literal["raise", "return"] = "raise",
) -> Any:
    """The images of streams of any sizes and models; the arguments are those of `decompress`.

    `on_error`: "raise" the first error with its stream's index, or "return" each in its stream's
    place.
    """
    check_on_error(on_error)
    items: list[Any] = check_many(streams, "streams")
    placed = [attempt(lambda item: _placed(item, model, max_pixels), item) for item in items]
    images: list[Any] = settle(placed, on_error)
    good = {i: pair for i, pair in enumerate(placed) if not isinstance(pair, Exception)}
    for name in {name for _, name in good.values()}:
        codec = load(name, device, max_pixels=max_pixels)
        mine = {i: stream for i, (stream, of) in good.items() if of == name}
        decoded = codec.decompress_many([*mine.values()], rendering, on_error="return")
        for i, image in zip(mine, decoded, strict=True):
            images[i] = image
    return settle(images, on_error)


def info(stream: Bytes) -> dict[str, Any]:
    """What a stream's header says, as plain values.

    `model` is the name of the installed model that it needs, or None; `model_id` names it always.
    Raises BitstreamError.
    """
    facts = container.info(as_bytes(stream))
    return {"model": _names().get(facts["model_id"]), **facts}


def read_metadata(stream: Bytes | Stream) -> dict[str, bytes]:
    """What a stream carries beside the picture: {"icc_profile": ..., "exif": ...}, as `compress`
    took it. Raises BitstreamError."""
    return named(_unpack(stream, 2**64).chunks)


def _placed(item: Bytes | Stream, model: Model | None, max_pixels: int) -> tuple[Stream, Model]:
    """A stream and the model that decodes it."""
    stream = _unpack(item, max_pixels)
    return stream, _named(stream) if model is None else model


def _unpack(stream: Bytes | Stream, max_pixels: int) -> Stream:
    if isinstance(stream, Stream):
        return stream
    return container.unpack(as_bytes(stream), max_pixels)


def _device_of(image: object, device: str | torch.device | None) -> str | torch.device:
    if device is not None:
        return device
    return image.device if isinstance(image, Tensor) else "cpu"


def _named(stream: Stream) -> str:
    """The name of the installed model that a stream needs."""
    names, model = _names(), stream.model.hex()
    if model not in names:
        installed = ", ".join(f"{name} ({key})" for key, name in names.items()) or "none"
        message = f"the stream needs model {model}; installed: {installed}"
        raise BitstreamError(message, Reason.UNKNOWN_MODEL)
    return names[model]


def _names() -> dict[str, str]:
    return {key: name for name, key in models().items()}


def _path_of(model: Model) -> Path:
    """The file of a model, by name or path. Raises ValueError, FileNotFoundError."""
    files = _files()
    if isinstance(model, str) and model in files:
        return files[model]
    path = Path(model)
    if path.is_file():
        return path
    if path.suffix or len(path.parts) > 1:
        raise FileNotFoundError(f"there is no model file {os.fspath(model)}")
    installed = ", ".join(files) or "none"
    raise ValueError(f"unknown model {os.fspath(model)!r}; installed: {installed}")


def _files() -> dict[str, Path]:
    more = filter(None, os.environ.get(MODELS_PATH, "").split(os.pathsep))
    folders = [*map(Path, more), presets.WEIGHTS]  # the package's own names win
    paths = [path for folder in folders for path in sorted(folder.glob("*.safetensors"))]
    return {path.stem: path for path in paths}


@functools.lru_cache(maxsize=64)
def _model_id(path: str, changed: int) -> str:
    return model_file.model_id(Path(path))


@functools.lru_cache(maxsize=4)
def _load(path: str, changed: int, device: str, engine: str | None) -> Codec:
    return Codec.from_file(path, device, engine)
