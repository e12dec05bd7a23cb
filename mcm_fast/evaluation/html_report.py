"""An evaluation as pages that open without a network: report.html, and a page for each image.

report.html has the curves with hover, both tables, and a card for each image; images/NAME.html has
every codec's crops at one rate, and their error maps. Style, script and pictures are in the pages.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path

from torch import Tensor

from ..files import write_file
from ..images import read_image
from .anchors import image_paths, is_available
from .bd_rate import Curve
from .html_image import Decoded, image_page, thumbnail
from .judge.contestants import OURS, Contestant, make
from .measure import Rendered, Result, compare
from .metrics import PREFIXES, title
from .pages import document, picture_data, static, table
from .report import comparison_table, rate_table

# Every codec's picture of an image (3, H, W), uint8, of this stem, at the report's rate.
Coder = Callable[[Tensor, str], Sequence[Decoded]]


def write_html(
    result: Result,
    images: str | os.PathLike,
    folder: str | os.PathLike,
    coder: Coder,
    available: Mapping[str, str] | None = None,
    step: Callable[[], None] = lambda: None,
) -> Path:
    """Write report.html and images/*.html; `step` is called after each image.

    `images` is the folder that was measured, `available` what `load_extras` says of metrics. Raises
    ValueError for an unreadable image, OSError.
    """
    folder, paths = Path(folder), image_paths(images)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    cards = []
    for number, path in enumerate(paths):
        original, _ = read_image(path, strip=True)  # the pages have no profile: sRGB
        near = [paths[i].stem for i in (number - 1, (number + 1) % len(paths))]
        content = image_page(path.stem, original, coder(original, path.stem), *near)
        write_file(folder / "images" / f"{path.stem}.html", content.encode())
        cards.append(_card(path.stem, original))
        step()
    write_file(folder / "report.html", _report(result, cards, available or {}).encode())
    return folder / "report.html"


def at_equal_bytes(
    codec: Rendered,
    label: str,
    names: Sequence[str],
    bpp: float,
    measure: Callable[[Tensor, Tensor], Mapping[str, float | None]],
) -> Coder:
    """Our codec at a rate, and each of these anchors that is available at the bytes of ours."""
    ours = Contestant(label, OURS, codec.rendering)
    others = [Contestant(name, name) for name in names if name and is_available(name)]

    def coder(image: Tensor, stem: str) -> list[Decoded]:
        budget, found = round(bpp * image[0].numel() / 8), []
        for contestant in (ours, *others):
            pixels, size = make(contestant, image, stem, budget, codec.codec)
            budget = size if contestant is ours else budget
            rate = {"bpp": 8 * size / image[0].numel()}
            found.append(Decoded(contestant.name, pixels, {**rate, **measure(image, pixels)}))
        return found

    return coder


def _report(result: Result, cards: Sequence[str], available: Mapping[str, str]) -> str:
    about = result.about
    told = f"Means over the {about['images']} images of {about['folder']}, true bytes of whole "
    told += f"streams; {about['device']}, {about['threads']} threads, torch {about['torch']}."
    parts = [f"<h1>{escape(result.label)}</h1>", f'<p class="dim">{escape(told)}</p>']
    parts += [_plot(result), "<h2>Means</h2>", table(rate_table(result))]
    missing = [f"{name}: {answer}" for name, answer in available.items() if answer != "yes"]
    if missing:
        parts.append(f'<p class="dim">Not available: {escape("; ".join(missing))}.</p>')
    if result.anchors:
        parts.append(f"<h2>{escape(result.label)} against others</h2>")
        parts.append('<p class="dim">BD-rate by PCHIP; negative: rate saved.</p>')
        parts.append(table(comparison_table(compare(result))))
    parts += ["<h2>Images</h2>", f'<div class="cards">{"".join(cards)}</div>']
    return document(f"{result.label}: evaluation", "\n".join(parts), static("report.js"))


def _plot(result: Result) -> str:
    """The place of the plot and its data; `report.js` draws it."""
    curves = {result.label: result.curve, **result.anchors}
    keys = ["psnr", "ms_ssim", *sorted(k for k in result.curve if k.startswith(PREFIXES))]
    keys = [key for key in keys if any(key in curve for curve in curves.values())]
    data = {
        "metrics": {key: title(key) for key in keys},
        "curves": {name: _points(curve, keys) for name, curve in curves.items()},
    }
    content = json.dumps(data, allow_nan=False).replace("<", "\\u003c")
    options = "".join(f'<option value="{key}">{escape(title(key))}</option>' for key in keys)
    return (
        '<div class="panel"><div class="tools"><label for="metric">Metric</label>'
        f'<select id="metric">{options}</select><span id="readout" aria-live="polite">'
        "Point at the plot, or focus it and press the arrow keys.</span></div>"
        '<svg id="plot" viewBox="0 0 900 460" tabindex="0" role="application" '
        'aria-label="Rate and distortion: arrow keys go from point to point"></svg>'
        '<div class="legend" id="legend" role="group" aria-label="Curves"></div></div>'
        f'<script type="application/json" id="curves">{content}</script>'
    )


def _points(curve: Curve, keys: Sequence[str]) -> dict[str, list[list[float]]]:
    """(bpp, value) of each metric, finite ones, by rising rate."""
    return {
        key: sorted(
            [round(rate, 5), round(value, 5)]
            for rate, value in zip(curve["bpp"], curve[key], strict=True)
            if math.isfinite(rate) and math.isfinite(value)
        )
        for key in keys
        if key in curve
    }


def _card(name: str, original: Tensor) -> str:
    picture = picture_data(thumbnail(original), "JPEG", quality=80)
    text = escape(name)
    return f'<a href="images/{text}.html"><img src="{picture}" alt=""><small>{text}</small></a>'
