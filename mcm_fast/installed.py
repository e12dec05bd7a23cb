"""The models that are installed: found by name, by id or by path, loaded once.

A model `x` is `x.safetensors`, for `load`, and `x.decoder.safetensors`, the integers that
`load_decoder` decodes with. Imports no torch before `load`.
"""

from __future__ import annotations

import functools
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from . import presets
from .errors import BitstreamError, Reason
from .inputs import check_threads
from .limits import MAX_PIXELS, TILE_PIXELS
from .opaque import opaque

if TYPE_CHECKING:
    import torch

    from .codec import Codec
    from .pixel_decoder import PixelDecoder

DEFAULT = "small"
MODELS_PATH = "MCM_FAST_MODELS"  # folders of more model files, with os.pathsep between them
SUFFIX, DECODER_SUFFIX = ".safetensors", ".decoder.safetensors"
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
    from .exact.engines import check_engine
    from .tensor_inputs import check_device

    path, place = _path_of(model, _files(SUFFIX)), str(check_device(device))
    with _LOADING:
        codec = _load(str(path), path.stat().st_mtime_ns, place, check_engine(engine))
    return codec.with_limits(max_pixels=max_pixels, tile_pixels=tile_pixels, threads=threads)


def load_decoder(
    model: Model | bytes, threads: int | None = None, *, max_pixels: int = MAX_PIXELS
) -> PixelDecoder:
    """What decodes the streams of a model to exact pixels.

    Args:
        model: its name, the path of its file or of its decoder's, or the 8 bytes of its id, as a
            stream's header has them.
        threads, max_pixels: see `PixelDecoder`.

    Raises BitstreamError for an id of which no decoder is installed, ValueError for an unknown
    name or a file that is not a decoder's, FileNotFoundError.
    """
    path = decoder_path(model)
    with _LOADING:
        decoder = _load_decoder(str(path), path.stat().st_mtime_ns, check_threads(threads))
    if isinstance(model, bytes) and decoder.id != model.hex():
        raise ValueError(f"{path} says that it is of model {model.hex()}; it is of {decoder.id}")
    return decoder.with_limits(max_pixels=max_pixels)


def find_decoder(model_id: bytes, model: Path | None) -> Path | None:
    """The decoder's file of a model with this id: beside the model's file, or an installed one."""
    files = _files(DECODER_SUFFIX)
    if model is not None:
        files = {"": _beside(model), **files}
    files = {name: path for name, path in files.items() if path.is_file()}
    return next((files[name] for name, key in _ids(files).items() if key == model_id.hex()), None)


def decoder_path(model: Model | bytes) -> Path:
    """The decoder's file of a model; arguments and errors are those of `load_decoder`."""
    files = _files(DECODER_SUFFIX)
    if isinstance(model, bytes):
        return _decoder_of(model, files)
    path = _path_of(model, files)
    if not path.name.endswith(DECODER_SUFFIX):
        path = _beside(path)
        if not path.is_file():
            raise FileNotFoundError(f"there is no decoder's file {path} (export --decoder)")
    return path


def has_decoder(model: Model | bytes) -> bool:
    """Whether `decoder_path` finds one."""
    try:
        return decoder_path(model).is_file()
    except (ValueError, FileNotFoundError):
        return False


@opaque
def models() -> dict[str, str]:
    """The installed models, name -> id in hex: those of the package, and of the folders that the
    environment variable MCM_FAST_MODELS names."""
    return _ids(_files(SUFFIX))


def name_of(model_id: bytes) -> str:
    """The name of the installed model that has this id."""
    installed_names, model = {key: name for name, key in models().items()}, model_id.hex()
    if model not in installed_names:
        raise _unknown(model, models())
    return installed_names[model]


def names() -> dict[str, str]:
    """The installed models and decoders, id in hex -> name."""
    files = _files(DECODER_SUFFIX), _files(SUFFIX)
    return {key: name for each in files for name, key in _ids(each).items()}


def _beside(model: Path) -> Path:
    return model.with_name(model.name.removesuffix(SUFFIX) + DECODER_SUFFIX)


def _decoder_of(model_id: bytes, files: dict[str, Path]) -> Path:
    ids = _ids(files)
    for name, key in ids.items():
        if key == model_id.hex():
            return files[name]
    raise _unknown(model_id.hex(), ids, "the decoder of ")


def _unknown(model: str, ids: dict[str, str], what: str = "") -> BitstreamError:
    installed = ", ".join(f"{name} ({key})" for name, key in ids.items()) or "none"
    message = f"the stream needs {what}model {model}; installed: {installed}"
    return BitstreamError(message, Reason.UNKNOWN_MODEL)


def check_model(model: Model) -> Model:
    """A name, or a path of any kind."""
    if isinstance(model, str | os.PathLike):
        return model
    raise ValueError(f"a model is a name or the path of a file, not {type(model).__name__}")


def _path_of(model: Model, files: dict[str, Path]) -> Path:
    """The file of a model, by name or path. Raises ValueError, FileNotFoundError."""
    check_model(model)
    if isinstance(model, str) and model in files:
        return files[model]
    path = Path(model)
    if path.is_file():
        return path
    if path.suffix or os.path.dirname(model) or not isinstance(model, str):
        raise FileNotFoundError(f"there is no model file {os.fspath(model)}")
    installed = ", ".join(files) or "none"
    raise ValueError(f"unknown model {model!r}; installed: {installed}")


def _files(suffix: str) -> dict[str, Path]:
    """The files of one kind by the models' names."""
    more = filter(None, os.environ.get(MODELS_PATH, "").split(os.pathsep))
    folders = [*map(Path, more), presets.WEIGHTS]  # the package's own names win
    paths = [path for folder in folders for path in sorted(folder.glob(f"*{suffix}"))]
    kind = [path for path in paths if path.name.endswith(DECODER_SUFFIX) == (suffix != SUFFIX)]
    return {path.name.removesuffix(suffix): path for path in kind}


def _ids(files: dict[str, Path]) -> dict[str, str]:
    """The id in hex that each file states."""
    return {name: _stated_id(str(path), path.stat().st_mtime_ns) for name, path in files.items()}


@functools.lru_cache(maxsize=64)
def _stated_id(path: str, changed: int) -> str:
    from safetensors import safe_open

    try:
        with safe_open(path, "np") as file:
            return (file.metadata() or {}).get("id", "")
    except Exception as error:  # safetensors raises its own class, and OSError
        raise ValueError(f"{path} is not a model's or a decoder's file: {error}") from error


@functools.lru_cache(maxsize=4)
def _load(path: str, changed: int, device: str, engine: str | None) -> Codec:
    from .codec import Codec

    return Codec.from_file(path, device, engine)


@functools.lru_cache(maxsize=4)
def _load_decoder(path: str, changed: int, threads: int | None) -> PixelDecoder:
    from .pixel_decoder import PixelDecoder

    return PixelDecoder(path, threads)
