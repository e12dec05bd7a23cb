"""An evaluation for people and programs: JSON, CSV, tables, and the rate-distortion plot."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..files import write_file
from .anchors import ANCHORS
from .bd_rate import Curve, EqualRate
from .measure import Comparison, Result, compare
from .metrics import PREFIXES, need
from .metrics import title as title_of
from .tables import Table, pipes

MAX_BPP = 1.5  # the plot's right edge


def write_all(result: Result, folder: str | os.PathLike) -> list[Path]:
    """Write eval.json, eval.csv (a line for each image and quality), eval.md and rd.png."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    contents = {
        "eval.json": to_json(result).encode(),
        "eval.csv": to_csv(result).encode(),
        "eval.md": markdown(result).encode(),
        "rd.png": plot(result),
    }
    for name, content in contents.items():
        write_file(folder / name, content)
    return [folder / name for name in contents]


def to_json(result: Result) -> str:
    """An object with "label", "about", "curves" (ours first), "comparisons" and "images".

    "curves" are what `anchors.load_curves` reads: one evaluation can be compared with another.
    What is not finite becomes null.
    """
    content = {
        "label": result.label,
        "about": result.about,
        "curves": _curves(result),
        "comparisons": [_plain(comparison) for comparison in compare(result)],
        "images": result.rows,
    }
    return json.dumps(_rounded(content), indent=1, allow_nan=False) + "\n"


def to_csv(result: Result) -> str:
    file = io.StringIO()
    fields = list(dict.fromkeys(key for row in result.rows for key in row))
    writer = csv.DictWriter(file, fields, lineterminator="\n")
    writer.writeheader()
    writer.writerows(_rounded(result.rows))
    return file.getvalue()


def rate_table(result: Result) -> Table:
    """The means at each quality."""
    more = [key for key in result.curve if key.startswith(PREFIXES)]
    columns = {
        "quality": ("quality", "{:g}", 1),
        "bpp": ("bpp", "{:.3f}", 1),
        "PSNR (dB)": ("psnr", "{:.2f}", 1),
        "MS-SSIM": ("ms_ssim", "{:.4f}", 1),
        **{title_of(key): (key, "{:.4f}", 1) for key in more},
        "encode (ms)": ("encode_s", "{:.0f}", 1000),
        "decode (ms)": ("decode_s", "{:.0f}", 1000),
    }
    columns = {title: c for title, c in columns.items() if c[0] in result.curve}
    cells = [[f.format(v * by) for v in result.curve[key]] for key, f, by in columns.values()]
    return list(columns), [list(row) for row in zip(*cells, strict=True)]


def comparison_table(comparisons: Sequence[Comparison]) -> Table:
    """Against each anchor; a negative BD-rate is rate saved. A dash where curves share no range."""
    header = ["against", "BD-rate", "over PSNR (dB)", "PSNR at equal bpp"]
    with_ssim, with_lpips = (
        any(getattr(c, name) for c in comparisons) for name in ("ms_ssim", "lpips")
    )
    header += ["MS-SSIM at equal bpp"] * with_ssim + ["LPIPS at equal bpp"] * with_lpips
    rows = []
    for c in comparisons:
        rate, span = "-", "-"
        if c.bd_rate:
            percent, low, high = c.bd_rate
            digits = 2 if abs(percent) < 10 else 1
            rate, span = f"{percent:+.{digits}f} %", f"{low:.1f} - {high:.1f}"
        row = [c.anchor, rate, span, _difference(c.psnr, "{:+.2f} dB")]
        row += [_difference(c.ms_ssim, "{:+.4f}")] * with_ssim
        row += [_ratio(c.lpips)] * with_lpips
        rows.append(row)
    return header, rows


def markdown(result: Result) -> str:
    """Both tables, to be pasted into a README."""
    about = result.about
    title = f"{result.label}: means over the {about['images']} images of `{about['folder']}`"
    parts = [
        f"{title} ({about['device']}, {about['threads']} threads).",
        pipes(rate_table(result)),
    ]
    if result.anchors:
        parts.append(f"{result.label} against others (BD-rate by PCHIP; negative: rate saved).")
        parts.append(pipes(comparison_table(compare(result))))
    return "\n\n".join(parts) + "\n"


def show(result: Result) -> None:
    """Print both tables."""
    from rich.console import Console
    from rich.table import Table as RichTable

    console = Console()
    tables = {result.label: rate_table(result)}
    if result.anchors:
        tables[f"{result.label} against others"] = comparison_table(compare(result))
    for title, (header, rows) in tables.items():
        table = RichTable(title=title)
        for i, name in enumerate(header):
            table.add_column(name, justify="right" if i else "left")
        for row in rows:
            table.add_row(*row)
        console.print(table)


def plot(result: Result) -> bytes:
    """PSNR over bits per pixel as a PNG: ours thick, measured anchors solid, others dashed."""
    need("matplotlib")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 5.5), dpi=150, layout="constrained")
    axes = FigureCanvasAgg(figure).figure.add_subplot()
    curves = {k: c for k, c in _curves(result).items() if _points(c)}
    others = [label for label in curves if label != result.label]
    for label, curve in sorted(curves.items(), key=_height, reverse=True):
        style = _style(others.index(label) if label in others else None, label in ANCHORS)
        axes.plot(*zip(*_points(curve), strict=True), label=label, **style)
    shown = [y for c in curves.values() for x, y in _points(c) if 0.05 <= x <= MAX_BPP]
    if shown:
        axes.set_ylim(math.floor(min(shown)), math.ceil(max(shown)))
    axes.set(xlim=(0, MAX_BPP), xlabel="bits per pixel", ylabel="PSNR (dB)")
    images, folder = result.about["images"], result.about["folder"]
    axes.set_title(f"{folder}: mean of {images} images", fontsize=11)
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", fontsize=9)
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


# Okabe and Ito's palette: told apart with any colour vision.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#999999")


def _style(i: int | None, measured: bool) -> dict[str, object]:
    """The line of the i-th other curve, or of ours."""
    if i is None:
        return {"color": "black", "linewidth": 2.4, "marker": "o", "markersize": 5, "zorder": 3}
    style = {"color": _COLOURS[i % len(_COLOURS)], "linewidth": 1.4}
    if measured:
        return style | {"marker": "s", "markersize": 3}
    return style | {"linestyle": ("--", ":", "-.")[i // len(_COLOURS) % 3]}


def _curves(result: Result) -> dict[str, Curve]:
    return {result.label: result.curve, **result.anchors}


def _points(curve: Curve) -> list[tuple[float, float]]:
    pairs = zip(curve["bpp"], curve["psnr"], strict=True)
    return sorted(pair for pair in pairs if all(map(math.isfinite, pair)))


def _height(item: tuple[str, Curve]) -> float:
    """PSNR at 0.5 bpp, or at the end that is nearest: the legend's order is the lines' order."""
    rates, values = zip(*_points(item[1]), strict=True)
    return float(np.interp(math.log(0.5), [math.log(rate) for rate in rates], values))


def _difference(pair: EqualRate | None, pattern: str) -> str:
    return pattern.format(pair.test - pair.anchor) if pair else "-"


def _ratio(pair: EqualRate | None) -> str:
    return f"{100 * (pair.test / pair.anchor - 1):+.1f} %" if pair else "-"


def _plain(comparison: Comparison) -> dict[str, object]:
    parts = comparison._asdict()
    return {k: v._asdict() if hasattr(v, "_asdict") else v for k, v in parts.items()}


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _rounded(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(v) for v in value]
    return value
