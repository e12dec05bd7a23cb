"""A page for one image: crops of all codecs at one rate, and maps of their errors."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from . import metrics
from .metrics import title
from .pages import document, picture_data, table

CROP = 192  # pixels a side
MAP_WIDTH = 384  # of a whole image's error map
FULL = 32  # levels of error that are white in a map
# From no error to FULL: dark, through violet and orange, to white; brightness rises evenly.
_RAMP = np.array(
    [(0, 0, 4), (66, 10, 104), (147, 38, 103), (221, 81, 58), (252, 165, 10), (255, 255, 255)]
)
_HINT = (
    "Crops at one rate. Point at a crop, or focus it, to see the original. In a map of errors "
    f"black is equal, white {FULL} levels or more (mean of the three channels)."
)


class Decoded(NamedTuple):
    """One codec's picture. `measures` as in a row of an evaluation: "bpp", "psnr", ..."""

    name: str
    pixels: Tensor  # uint8 (3, H, W)
    measures: dict[str, float | None]


def image_page(
    name: str, original: Tensor, decoded: Sequence[Decoded], before: str, after: str
) -> str:
    """The page of an image, uint8 (3, H, W); `before` and `after` are its neighbours' names."""
    parts = [
        f"<h1>{escape(name)}</h1>",
        f'<p><a href="../report.html">Report</a> &middot; {_link(before, "prev")} &middot; '
        f"{_link(after, 'next')}</p>",
        table(_numbers(decoded)),
        f'<p class="dim">{_HINT}</p>',
    ]
    for number, (heading, box) in enumerate(_boxes(original, decoded).items()):
        source, over = picture_data(_crop(original, box)), f"over-{number}"
        figures = [
            "<figure><figcaption><b>Original</b></figcaption>"
            f'<span class="crop"><img src="{source}" alt="the original"></span></figure>',
            *(_figure(original, d, box, over) for d in decoded),
        ]
        parts.append(f"<style>.{over} {{ background: url({source}) 0 / 100% 100% }}</style>")
        parts += [f"<h2>{escape(heading)}</h2>", f'<div class="crops">{"".join(figures)}</div>']
    maps = [_whole(original, d) for d in decoded]
    parts += ["<h2>Errors of the whole image</h2>", f'<div class="crops">{"".join(maps)}</div>']
    return document(name, "\n".join(parts))


def _link(name: str, relation: str) -> str:
    return f'<a href="{escape(name)}.html" rel="{relation}">{escape(name)}</a>'


def thumbnail(image: Tensor, width: int = 300) -> np.ndarray:
    """A smaller uint8 picture (H, W, 3)."""
    height = max(1, round(image.shape[1] * width / image.shape[2]))
    if width >= image.shape[2]:
        return image.permute(1, 2, 0).numpy()
    small = F.interpolate(image[None].float(), (height, width), mode="area")[0]
    return small.round().byte().permute(1, 2, 0).numpy()


def _map(error: Tensor) -> str:
    """Errors in levels (H, W) as a data URI: 256 colours, a third of the size of full ones."""
    indexes = (error / FULL * 255).round().clamp(0, 255).byte().numpy()
    return picture_data(indexes, palette=_palette())


def _palette() -> np.ndarray:
    """(256, 3) uint8."""
    stops, positions = np.linspace(0, 1, len(_RAMP)), np.linspace(0, 1, 256)
    channels = [np.interp(positions, stops, _RAMP[:, i]) for i in range(3)]
    return np.stack(channels, -1).round().astype(np.uint8)


def _error(original: Tensor, decoded: Tensor) -> Tensor:
    return (decoded.float() - original.float()).abs().mean(0)


def _boxes(original: Tensor, decoded: Sequence[Decoded]) -> dict[str, tuple[slice, slice]]:
    """Two crops: where the original has most detail, and where the first codec errs most."""
    gray = original.float().mean(0)
    detail = F.pad(gray.diff(dim=1).abs(), (0, 1)) + F.pad(gray.diff(dim=0).abs(), (0, 0, 0, 1))
    first = decoded[0]
    worst = _error(original, first.pixels).square()
    return {"Most detail": _busiest(detail), f"Largest error of {first.name}": _busiest(worst)}


def _busiest(weight: Tensor) -> tuple[slice, slice]:
    """The window of at most CROP x CROP pixels with the largest sum of weight (H, W)."""
    height, width = (min(CROP, side) for side in weight.shape)
    means = F.avg_pool2d(weight[None, None], (height, width), stride=8)[0, 0]
    top, left = (8 * int(i) for i in np.unravel_index(int(means.argmax()), means.shape))
    return slice(top, top + height), slice(left, left + width)


def _figure(original: Tensor, decoded: Decoded, box: tuple[slice, slice], over: str) -> str:
    """The crop of a codec, over it the original of this class, and the map of its errors."""
    name, picture = escape(decoded.name), picture_data(_crop(decoded.pixels, box))
    errors = _map(_error(original, decoded.pixels)[box])
    return (
        f"<figure><figcaption>{_caption(decoded)}</figcaption>"
        f'<button class="crop" aria-label="{name}: the original while pointed at">'
        f'<img src="{picture}" alt="{name}"><span class="over {over}"></span></button>'
        f'<span class="crop"><img src="{errors}" alt="errors of {name}"></span></figure>'
    )


def _whole(original: Tensor, decoded: Decoded) -> str:
    error = _error(original, decoded.pixels)
    width = min(MAP_WIDTH, error.shape[1])
    size = max(1, round(error.shape[0] * width / error.shape[1])), width
    picture = _map(F.interpolate(error[None, None], size, mode="area")[0, 0])
    return (
        f"<figure><figcaption>{_caption(decoded)}</figcaption>"
        f'<span class="crop"><img src="{picture}" alt="errors of {escape(decoded.name)}"></span>'
        "</figure>"
    )


def _caption(decoded: Decoded) -> str:
    bpp, psnr = decoded.measures.get("bpp"), decoded.measures.get("psnr")
    numbers = [] if bpp is None else [f"{bpp:.3f} bpp"]
    numbers += [] if psnr is None else [f"{psnr:.2f} dB"]
    return f"<b>{escape(decoded.name)}</b> {', '.join(numbers)}"


def _crop(image: Tensor, box: tuple[slice, slice]) -> np.ndarray:
    return image[:, box[0], box[1]].permute(1, 2, 0).contiguous().numpy()


def _numbers(decoded: Sequence[Decoded]) -> tuple[list[str], list[list[str]]]:
    keys = list(dict.fromkeys(key for d in decoded for key in d.measures))
    keys = ["bpp", "psnr", "ms_ssim", *(k for k in keys if k.startswith(metrics.PREFIXES))]
    patterns = {"bpp": "{:.3f}", "psnr": "{:.2f}"}
    rows = []
    for d in decoded:
        values = [(d.measures.get(key), patterns.get(key, "{:.4f}")) for key in keys]
        rows.append([d.name, *("-" if v is None else f.format(v) for v, f in values)])
    return ["codec", *("bpp" if key == "bpp" else title(key) for key in keys)], rows
