"""The curves to be compared with: JPEG, WebP, AVIF, JPEG XL made here, and published tables.

Made with Pillow from the bytes of whole files, headers included: JPEG with optimised Huffman
tables and 4:2:0 chroma, WebP with method 6, AVIF with speed 4, JPEG XL (where the package
pillow-jxl-plugin is installed) with effort 7.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import io
import json
import math
import os
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import PIL
import torch
from PIL import Image, features

from ..files import write_file
from ..images import is_image_name, read_image
from .bd_rate import Curve
from .metrics import psnr


class Anchor(NamedTuple):
    format: str  # Pillow's name
    options: dict[str, object]
    qualities: tuple[int, ...]


ANCHORS = {
    "JPEG": Anchor(
        "JPEG", {"optimize": True, "subsampling": "4:2:0"}, (5, 10, 20, 30, 50, 70, 80, 90, 95)
    ),
    "WebP": Anchor("WEBP", {"method": 6}, (0, 5, 10, 25, 50, 70, 80, 90, 95)),
    "AVIF": Anchor("AVIF", {"speed": 4}, (10, 20, 25, 35, 45, 55, 65, 75)),
    "JXL": Anchor("JXL", {"effort": 7}, (10, 20, 30, 40, 50, 60, 70, 80, 90)),
}

# Published curves worth a line in a plot, by their names in the JSON: the legend's label.
PUBLISHED = {
    "vtm": "VTM",
    "compressai-bmshj2018-hyperprior_mse_cuda": "hyperprior",
    "compressai-mbt2018_mse_cuda": "mbt2018",
    "compressai-cheng2020-attn_mse_cuda": "cheng2020-attn",
    "paper-elic2022_mse": "ELIC",
    "mlicplusplus_mse": "MLIC++",
}


def image_paths(folder: str | os.PathLike) -> list[Path]:
    """The image files of a folder, by name. What cannot be read is left out with a UserWarning.
    Raises ValueError where there is none, OSError."""
    files = sorted(p for p in Path(folder).iterdir() if p.is_file() and is_image_name(p))
    paths = [path for path in files if _is_readable(path, path.stat().st_mtime_ns)]
    if not paths:
        raise ValueError(f"{folder}: no images in this folder")
    return paths


@functools.lru_cache(maxsize=2**16)
def _is_readable(path: Path, changed: int) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its notes come when it is read to be measured
        try:
            read_image(path)
        except ValueError as error:
            problem = error
        else:
            return True
    warnings.warn(f"{path.name} is left out: {problem}", stacklevel=3)
    return False


def encode(anchor: Anchor, image: torch.Tensor, quality: int) -> bytes:
    """A uint8 image (3, H, W) -> the file."""
    file = io.BytesIO()
    pixels = Image.fromarray(image.permute(1, 2, 0).contiguous().numpy())
    pixels.save(file, anchor.format, quality=quality, **anchor.options)
    return file.getvalue()


def decode(data: bytes) -> torch.Tensor:
    """The file -> a uint8 image (3, H, W)."""
    return read_image(io.BytesIO(data))[0]


def is_available(name: str) -> bool:
    """Whether this Pillow writes the format: AVIF came with 11.3, JXL with a plugin of its own."""
    if name == "JXL":
        return _jxl_plugin()
    return name == "JPEG" or bool(features.check(name.lower()))


def _jxl_plugin() -> bool:
    try:
        importlib.import_module("pillow_jxl")  # registers the format
    except ImportError:
        return False
    return True


def points(
    folder: str | os.PathLike, anchor: Anchor, step: Callable[[], None] = lambda: None
) -> Curve:
    """A curve over a folder: the mean of the images' bits per pixel and PSNR at each quality."""
    paths = image_paths(folder)
    curve: Curve = {"quality": list(anchor.qualities)}
    sums = {"bpp": [0.0] * len(anchor.qualities), "psnr": [0.0] * len(anchor.qualities)}
    for path in paths:
        image, _ = read_image(path)
        for i, quality in enumerate(anchor.qualities):
            data = encode(anchor, image, quality)
            sums["bpp"][i] += 8 * len(data) / image[0].numel()
            sums["psnr"][i] += psnr(image, decode(data))
            step()
    return curve | {key: [total / len(paths) for total in row] for key, row in sums.items()}


def measure(
    folder: str | os.PathLike,
    names: Sequence[str] = tuple(ANCHORS),
    cache: str | os.PathLike | None = None,
    step: Callable[[], None] = lambda: None,
) -> dict[str, Curve]:
    """The curves of JPEG, WebP and AVIF over a folder, those that this Pillow can write.

    `cache` is a JSON file that is read and extended: a curve is taken from it where the images,
    Pillow's version and the settings are the same. `step` is called for every image and quality
    (`steps` counts them). Raises ValueError for an unknown name or an unreadable image, OSError.
    """
    _check(names)
    store = _read_json(Path(cache)) if cache is not None and Path(cache).exists() else {}
    contents = _contents(folder) if cache is not None else ""
    curves = {}
    for name in filter(is_available, names):
        anchor = ANCHORS[name]
        key = f"{name} {_digest(contents, PIL.__version__, repr(anchor))}"
        if key not in store:
            store[key] = points(folder, anchor, step)
            if cache is not None:
                write_file(cache, json.dumps(store, indent=1).encode())
        curves[name] = store[key]
    return curves


def steps(folder: str | os.PathLike, names: Sequence[str] = tuple(ANCHORS)) -> int:
    """How often `measure` calls `step` when nothing is cached. Raises ValueError, OSError."""
    _check(names)
    return len(image_paths(folder)) * sum(len(ANCHORS[name].qualities) for name in names)


def _check(names: Sequence[str]) -> None:
    unknown = sorted(set(names) - set(ANCHORS))
    if unknown:
        raise ValueError(f"no anchor is called {unknown[0]!r}: there are {', '.join(ANCHORS)}")


def load_curves(path: str | os.PathLike) -> dict[str, Curve]:
    """Curves of a JSON file {"curves": {name: {"bpp": [...], "psnr": [...], ...}}}, by label.

    Of a large collection the curves of `PUBLISHED`, otherwise all that have PSNR: so the JSON of
    an evaluation is one, too. Raises ValueError for anything else, OSError.
    """
    path = Path(path)
    content = _read_json(path)
    curves = content.get("curves")
    if not isinstance(curves, dict):
        raise ValueError(f"{path.name}: no object 'curves' in this JSON")
    known = {label: curves[name] for name, label in PUBLISHED.items() if name in curves}
    return {label: _clean(path, label, curve) for label, curve in (known or curves).items()}


def _clean(path: Path, label: str, curve: dict[str, object]) -> Curve:
    """The points of a published curve that have a rate and a PSNR, the lists that fit them."""
    curve = curve if isinstance(curve, dict) else {}
    rates, values = curve.get("bpp"), curve.get("psnr")
    if not (isinstance(rates, list) and isinstance(values, list) and len(rates) == len(values)):
        raise ValueError(f"{path.name}: the curve {label} has no equally long 'bpp' and 'psnr'")
    keep = [
        i for i, pair in enumerate(zip(rates, values, strict=True)) if all(map(_is_number, pair))
    ]
    lists = {k: v for k, v in curve.items() if isinstance(v, list) and len(v) == len(rates)}
    kept = {key: [values[i] for i in keep] for key, values in lists.items()}
    return {key: values for key, values in kept.items() if all(map(_is_number, values))}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _read_json(path: Path) -> dict:
    try:
        content = json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path.name}: not JSON ({error})") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path.name}: not a JSON object")
    return content


def _contents(folder: str | os.PathLike) -> str:
    return _digest(*(hashlib.sha256(p.read_bytes()).hexdigest() for p in image_paths(folder)))


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
