"""Makes a study: every contestant's picture of every image, measured, as PNG."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import PIL
import torch
from torch import Tensor

from ...codec import Codec
from ...files import write_file
from ...images import read_image, write_image
from ..anchors import image_paths
from ..measure import distortion
from .contestants import Contestant, make
from .study import FILE, Image, Study
from .trials import ORIGINAL, RUIN

Measure = Callable[[Tensor, Tensor], Mapping[str, float | None]]
_RUIN_FACTOR = 12  # an obvious trial's ruin keeps one pixel in 12 x 12


def prepare(
    folder: str | os.PathLike,
    contestants: Sequence[Contestant],
    out: str | os.PathLike,
    codec: Codec | None = None,
    bpp: float | None = None,
    measure: Measure = distortion,
    step: Callable[[], None] = lambda: None,
    **settings: object,
) -> Study:
    """The study of a folder of images in `out`; what is there of the same study is kept.

    Args:
        codec: needed where a contestant is ours.
        bpp: the rate of the first contestant, where it names none itself.
        measure: what is measured of (original, picture), both uint8 (3, H, W).
        step: called after each picture.
        settings: `votes`, `seed`, `question` of `Study`.

    Raises ValueError for a folder without images, a contestant that cannot be made, or another
    study in `out`; OSError.
    """
    out, paths = Path(out), image_paths(folder)
    stems = [path.stem for path in paths]
    if len(set(stems)) < len(stems):
        raise ValueError(f"{folder}: two images have the same name before the extension")
    key = _key(paths, contestants, codec, bpp, settings)
    if (out / FILE).exists():
        study = Study.load(out)
        if study.key != key:
            raise ValueError(f"{out} holds another study: name another folder with --out")
        return study
    (out / "pictures").mkdir(parents=True, exist_ok=True)
    images = [_image(path, contestants, out, codec, bpp, measure, step) for path in paths]
    names = [c.name for c in contestants]
    about = {"folder": Path(folder).resolve().name, "torch": torch.__version__}
    about |= {"pillow": PIL.__version__}
    study = Study(out, key, names, images, about=about, **settings)
    write_file(out / FILE, study.to_json().encode())
    return study


def _key(
    paths: Sequence[Path],
    contestants: Sequence[Contestant],
    codec: Codec | None,
    bpp: float | None,
    settings: dict[str, object],
) -> str:
    """A digest of what people will see, before anything is made."""
    model = codec.integers.id.hex() if codec is not None else None
    files = [path for c in contestants if c.folder for path in sorted(c.folder.iterdir())]
    digests = [hashlib.sha256(p.read_bytes()).hexdigest() for p in [*paths, *files] if p.is_file()]
    parts = [digests, [repr(c) for c in contestants], model, bpp, settings, PIL.__version__]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _image(
    path: Path,
    contestants: Sequence[Contestant],
    out: Path,
    codec: Codec | None,
    bpp: float | None,
    measure: Measure,
    step: Callable[[], None],
) -> Image:
    pixels, _ = read_image(path, strip=True)  # in sRGB, as people will see them
    folder = Path("pictures") / path.stem
    (out / folder).mkdir(exist_ok=True)
    image = Image(path.stem, pixels.shape[2], pixels.shape[1], {}, {})
    budget = None if bpp is None else round(bpp * pixels[0].numel() / 8)
    pictures = {ORIGINAL: pixels, RUIN: _ruin(pixels)}
    for number, contestant in enumerate(contestants):
        picture = make(contestant, pixels, path.stem, budget, codec)
        if number == 0:
            budget = picture.bytes or budget
        pictures[contestant.name] = picture.pixels
        image.measures[contestant.name] = _measures(pixels, *picture, measure)
        step()
    for number, (name, picture) in enumerate(pictures.items()):
        file = folder / f"{number}-{re.sub('[^A-Za-z0-9]+', '-', name)}.png"
        write_image(picture, out / file)
        image.files[name] = file.as_posix()
    return image


def _measures(
    original: Tensor, picture: Tensor, size: int | None, measure: Measure
) -> dict[str, float | None]:
    bpp = None if size is None else 8 * size / original[0].numel()
    found = {"bytes": size, "bpp": bpp} | measure(original, picture)
    return {k: v if v is None or math.isfinite(v) else None for k, v in found.items()}


def _ruin(pixels: Tensor) -> Tensor:
    """The image without any detail, as nobody could take it for the original."""
    height, width = pixels.shape[1:]
    size = [-(-side // _RUIN_FACTOR) for side in (height, width)]
    small = torch.nn.functional.interpolate(pixels[None].float(), size, mode="area")
    large = torch.nn.functional.interpolate(small, (height, width), mode="bilinear")
    return large[0].round().clamp(0, 255).to(torch.uint8)
