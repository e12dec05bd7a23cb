"""HTML pages that need no network: style and script inside, tables, picture data."""

from __future__ import annotations

import base64
import io
from html import escape
from importlib import resources

import numpy as np

from .tables import Table


def static(name: str) -> str:
    """A text file of the folder `static`."""
    return (resources.files(__package__) / "static" / name).read_text()


def document(title: str, body: str, script: str = "") -> str:
    """A whole page: `body` is HTML, `script` JavaScript."""
    code = f"<script>\n{script}</script>\n" if script else ""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<title>{escape(title)}</title>\n<link rel="icon" href="data:,">\n'
        f"<style>\n{static('report.css')}</style>\n</head>\n<body>\n"
        f"{body}\n{code}</body>\n</html>\n"
    )


def table(content: Table) -> str:
    """The first column is a row's name; cells are text."""
    header, rows = content
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in header)
    lines = [
        f'<tr><th scope="row">{escape(first)}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        + "</tr>"
        for first, *cells in rows
    ]
    body = "\n".join(lines)
    return (
        f'<div class="scroll"><table>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )


def picture_data(
    pixels: np.ndarray, format: str = "PNG", palette: np.ndarray | None = None, **options: object
) -> str:
    """A uint8 picture (H, W, 3), or (H, W) with a palette (256, 3), as a data URI."""
    from PIL import Image

    file, picture = io.BytesIO(), Image.fromarray(pixels)
    if palette is not None:
        picture.putpalette(palette.tobytes())
    picture.save(file, format, **options)
    return f"data:image/{format.lower()};base64,{base64.b64encode(file.getvalue()).decode()}"
