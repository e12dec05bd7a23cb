"""What is compared: codecs at equal bytes, and folders of pictures made elsewhere.

A contestant is written as

    mcm[:RENDERING][:effort=N][:quality=Q | :bpp=R]
    JPEG | WebP | AVIF | JXL [:quality=Q | :bpp=R]
    NAME=FOLDER

Without a rate of its own a contestant gets the bytes of the first; the first gets `bpp`. A folder
holds a picture of each image under the image's stem; `bytes.json` in it, {stem: bytes}, says how
large their streams are.
"""

from __future__ import annotations

import inspect
import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from ...codec import Codec
from ...images import is_image_name, read_image
from .. import anchors

OURS = "mcm"
_RATES = {"quality", "bpp"}


class Picture(NamedTuple):
    pixels: Tensor  # uint8 (3, H, W)
    bytes: int | None  # None where nobody says


@dataclass(frozen=True)
class Contestant:
    """One line of the grammar above. `options` hold numbers: effort, quality, bpp."""

    name: str
    kind: str  # OURS, a key of ANCHORS, or "folder"
    rendering: str = "faithful"
    folder: Path | None = None
    options: dict[str, float] = field(default_factory=dict)


def parse(text: str) -> Contestant:
    """A contestant from its spelling. Raises ValueError for anything else."""
    head, *parts = text.split(":")
    if "=" in head:
        name, _, folder = text.partition("=")
        if not name or not Path(folder).is_dir():
            raise ValueError(f"{text!r}: NAME=FOLDER wanted, with a folder that exists")
        return Contestant(name, "folder", folder=Path(folder))
    kinds = {name.lower(): name for name in (OURS, *anchors.ANCHORS)}
    kind = kinds.get(head.lower())
    if kind is None:
        raise ValueError(f"{text!r}: no codec {head!r}; there are {', '.join(kinds.values())}")
    rendering = "faithful"
    if kind == OURS and parts and "=" not in parts[0]:
        rendering, *parts = parts
    options = dict(_option(text, part, kind) for part in parts)
    if options.keys() >= _RATES:
        raise ValueError(f"{text!r}: either quality or bpp")
    name = ":".join([kind, *[rendering] * (rendering != "faithful"), *parts])
    return Contestant(name, kind, rendering, options=options)


def _option(text: str, part: str, kind: str) -> tuple[str, float]:
    key, _, value = part.partition("=")
    if key not in _RATES | ({"effort"} if kind == OURS else set()):
        raise ValueError(f"{text!r}: no option {key!r} for {kind}")
    try:
        return key, float(value)
    except ValueError as error:
        raise ValueError(f"{text!r}: {value!r} is not a number") from error


def parse_all(texts: list[str]) -> list[Contestant]:
    """Two contestants or more, with different names, that this machine can make."""
    contestants = [parse(text) for text in texts]
    names = [c.name for c in contestants]
    if len(set(names)) < max(2, len(names)):
        raise ValueError(f"at least two different contestants wanted, got {', '.join(names)}")
    for c in contestants:
        if c.kind in anchors.ANCHORS and not anchors.is_available(c.kind):
            extra = ": pip install pillow-jxl-plugin" if c.kind == "JXL" else ""
            raise ValueError(f"this Pillow has no {c.kind}{extra}")
    return contestants


def make(
    contestant: Contestant, image: Tensor, stem: str, budget: int | None, codec: Codec | None
) -> Picture:
    """The contestant's picture of an image, uint8 (3, H, W), of about `budget` bytes.

    `codec` is needed for `mcm` only. Warns where the bytes are more than 5 % off. Raises ValueError
    for a budget that is needed and missing, a picture that is missing or of another size.
    """
    if contestant.kind == "folder":
        return _from_folder(contestant, image, stem)
    rate = contestant.options
    if "bpp" in rate:
        budget = round(rate["bpp"] * image[0].numel() / 8)
    if budget is None and "quality" not in rate:
        raise ValueError(f"{contestant.name}: no rate: give quality or bpp")
    coder = _ours if contestant.kind == OURS else _anchor
    picture = coder(contestant, image, budget, codec)
    if "quality" not in rate and abs(picture.bytes - budget) > 0.05 * budget:
        warnings.warn(
            f"{stem}: {contestant.name} takes {picture.bytes} bytes, not {budget}", stacklevel=2
        )
    return picture


def _ours(
    contestant: Contestant, image: Tensor, budget: int | None, codec: Codec | None
) -> Picture:
    options: dict[str, object] = {}
    if "effort" in contestant.options:
        if "effort" not in inspect.signature(codec.compress).parameters:
            raise ValueError(f"{contestant.name}: this version's compress has no effort")
        options["effort"] = int(contestant.options["effort"])
        if "rendering" in inspect.signature(codec.compress).parameters:
            options["rendering"] = contestant.rendering  # the one whose pixels effort looks at
    if "quality" in contestant.options:
        options["quality"] = contestant.options["quality"]
    else:
        options["target_bpp"] = 8 * budget / image[0].numel()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # out of reach: `make` says it by bytes
        stream = codec.compress(image, **options)
    pixels = codec.decompress(stream, rendering=contestant.rendering)
    return Picture(pixels.cpu(), len(stream))


def _anchor(contestant: Contestant, image: Tensor, budget: int | None, _: object) -> Picture:
    anchor = anchors.ANCHORS[contestant.kind]
    if "quality" in contestant.options:
        data = anchors.encode(anchor, image, int(contestant.options["quality"]))
    else:
        data = nearest(lambda quality: anchors.encode(anchor, image, quality), budget)
    return Picture(anchors.decode(data), len(data))


def nearest(encode: Callable[[int], bytes], budget: int, low: int = 0, high: int = 99) -> bytes:
    """By bisection over the quality, the file whose size is nearest to `budget` bytes."""
    best = b""
    while low <= high:
        middle = (low + high) // 2
        data = encode(middle)
        if not best or abs(len(data) - budget) < abs(len(best) - budget):
            best = data
        low, high = (middle + 1, high) if len(data) < budget else (low, middle - 1)
    return best


def _from_folder(contestant: Contestant, image: Tensor, stem: str) -> Picture:
    files = [p for p in contestant.folder.iterdir() if p.stem == stem and is_image_name(p)]
    if len(files) != 1:
        raise ValueError(f"{contestant.folder}: {len(files)} pictures of {stem}, one is wanted")
    pixels, _ = read_image(files[0], strip=True)
    if pixels.shape != image.shape:
        sizes = " instead of ".join(f"{t.shape[2]}x{t.shape[1]}" for t in (pixels, image))
        raise ValueError(f"{files[0]}: {sizes}")
    sizes = contestant.folder / "bytes.json"
    return Picture(pixels, json.loads(sizes.read_text()).get(stem) if sizes.is_file() else None)
