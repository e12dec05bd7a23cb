"""The models that are installed: found by name, by id or by path, loaded once."""

from __future__ import annotations

import functools
import os
import threading
from pathlib import Path

import torch

from . import model_file, presets
from .codec import Codec
from .errors import BitstreamError, Reason
from .inputs import check_device
from .limits import MAX_PIXELS, TILE_PIXELS
from .opaque import opaque

DEFAULT = "small"
MODELS_PATH = "MCM_FAST_MODELS"  # folders of more model files, with os.pathsep between them
Model = str | os.PathLike[str]  # an installed model's name, or a model file's path
_LOADING = threading.RLock()
# A fork waits for whoever loads: in the child nobody would let go of the lock.
os.register_at_fork(
    before=_LOADING.acquire, after_in_parent=_LOADING.release, after_in_child=_LOADING.release
)


@opaque
def load(
    model: Model = DEFAULT,
    device: str | torch.device = "cpu",
    engine: str | None = None,
    *,
    max_pixels: int = MAX_PIXELS,
    tile_pixels: int = TILE_PIXELS,
    threads: int | None = None,
) -> Codec:
    """The codec of a model.

        codec = mcm_fast.load("small")

    Args:
        model: a name of `models()`, or the path of a model file.
        device: where the transforms run and images come back.
        engine: "reference", "cpu" or "cuda"; None: "cuda" for a CUDA device, else "cpu". Never
            replaced silently.
        max_pixels, tile_pixels: see `Codec`.
        threads: those of the codec's calls; the caller's own number stays as it is. None: as many
            as torch uses when it is called, but one in a worker of torch's DataLoader.

    Raises ValueError for an unknown model or engine, or a device that cannot be used, ImportError
    for an engine that is not built.
    """
    path = _path_of(model)
    with _LOADING:
        codec = _load(str(path), path.stat().st_mtime_ns, str(check_device(device)), engine)
    return codec.with_limits(max_pixels=max_pixels, tile_pixels=tile_pixels, threads=threads)


@opaque
def models() -> dict[str, str]:
    """The installed models, name -> id in hex: those of the package, and of the folders that the
    environment variable MCM_FAST_MODELS names."""
    return {name: _model_id(str(path), path.stat().st_mtime_ns) for name, path in _files().items()}


def name_of(model_id: bytes) -> str:
    """The name of the installed model that has this id."""
    installed_names, model = names(), model_id.hex()
    if model not in installed_names:
        installed = ", ".join(f"{name} ({key})" for key, name in installed_names.items()) or "none"
        message = f"the stream needs model {model}; installed: {installed}"
        raise BitstreamError(message, Reason.UNKNOWN_MODEL)
    return installed_names[model]


def names() -> dict[str, str]:
    """The installed models, id in hex -> name."""
    return {key: name for name, key in models().items()}


def _path_of(model: Model) -> Path:
    """The file of a model, by name or path. Raises ValueError, FileNotFoundError."""
    if not isinstance(model, str | os.PathLike):
        raise ValueError(f"a model is a name or the path of a file, not {type(model).__name__}")
    files = _files()
    if isinstance(model, str) and model in files:
        return files[model]
    path = Path(model)
    if path.is_file():
        return path
    if path.suffix or os.path.dirname(model) or not isinstance(model, str):
        raise FileNotFoundError(f"there is no model file {os.fspath(model)}")
    installed = ", ".join(files) or "none"
    raise ValueError(f"unknown model {model!r}; installed: {installed}")


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
