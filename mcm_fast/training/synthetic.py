"""Pictures that photographs do not teach: text, line art, screens, flat colours, gradients, gray.

Made by a generator with a fixed seed, so the same options make the same pictures. Text is set in
the fonts that Pillow and matplotlib bring along.
"""

from __future__ import annotations

import string
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

Color = tuple[int, int, int]

_GRAY = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
_LETTERS = string.ascii_lowercase * 8 + string.ascii_uppercase * 2 + string.digits + ",.;:-()'?!"


def tiles(photographs: Tensor, count: int, seed: int) -> Tensor:
    """uint8 photographs (N, 3, S, S) -> pictures (count, 3, S, S) beside them.

    The kinds take turns; the photographs are what gray ones are made from.
    """
    rng = np.random.default_rng((seed, 3))
    size = photographs.shape[-1]
    pictures = torch.empty((count, *photographs.shape[1:]), dtype=torch.uint8)
    for n in range(count):
        turn = n % (len(_KINDS) + 1)
        if turn == len(_KINDS):
            picture = _gray(photographs[int(rng.integers(len(photographs)))])
        else:
            picture = np.asarray(_KINDS[turn](rng, size))
        pictures[n] = torch.from_numpy(picture.copy()).permute(2, 0, 1)
    return pictures


def _gray(photograph: Tensor) -> np.ndarray:
    """uint8 (3, S, S) -> its luma in three equal channels [S, S, 3]."""
    luma = photograph.permute(1, 2, 0).numpy().astype(np.float32) @ _GRAY
    return np.repeat(np.round(luma).astype(np.uint8)[..., None], 3, 2)


def text(rng: np.random.Generator, size: int) -> Image.Image:
    """Lines of random words, ink on paper; half of the pages are black on white."""
    paper, ink = _pair(rng)
    page = Image.new("RGB", (size, size), paper)
    _paragraph(rng, ImageDraw.Draw(page), (0, 0, size, size), ink, int(rng.integers(9, 30)))
    return page


def lines(rng: np.random.Generator, size: int) -> Image.Image:
    """Polylines, circles, rectangles and a grid of one ink."""
    paper, ink = _pair(rng)
    page = Image.new("RGB", (size, size), paper)
    draw = ImageDraw.Draw(page)
    if rng.random() < 0.4:
        gap = int(rng.integers(4, 40))
        for place in range(0, size, gap):
            draw.line((0, place, size, place), ink)
            draw.line((place, 0, place, size), ink)
    for _ in range(int(rng.integers(5, 30))):
        width = int(rng.integers(1, 5))
        x0, y0, x1, y1 = _box(rng, size)
        shape = rng.integers(3)
        if shape == 0:
            draw.line(rng.integers(0, size, 2 * int(rng.integers(2, 6))).tolist(), ink, width)
        elif shape == 1:
            draw.ellipse((x0, y0, x1, y1), outline=ink, width=width)
        else:
            draw.rectangle((x0, y0, x1, y1), outline=ink, width=width)
    return page


def screen(rng: np.random.Generator, size: int) -> Image.Image:
    """Windows: flat panels with title bars, buttons and short texts."""
    page = Image.new("RGB", (size, size), _color(rng))
    draw = ImageDraw.Draw(page)
    for _ in range(int(rng.integers(2, 7))):
        x0, y0, x1, y1 = _box(rng, size)
        paper, ink = _pair(rng)
        draw.rectangle((x0, y0, x1, y1), paper, outline=_color(rng))
        draw.rectangle((x0, y0, x1, min(y1, y0 + 18)), _color(rng))
        box = (x0 + 4, min(y1, y0 + 22), x1 - 4, y1 - 4)
        _paragraph(rng, draw, box, ink, int(rng.integers(9, 16)))
        if x1 - x0 > 60 and y1 - y0 > 60:
            draw.rounded_rectangle((x1 - 50, y1 - 24, x1 - 8, y1 - 8), 4, _color(rng))
    return page


def flat(rng: np.random.Generator, size: int) -> Image.Image:
    """One colour, or a few rectangles of one colour each; pure primaries as often as not."""
    page = Image.new("RGB", (size, size), _color(rng))
    draw = ImageDraw.Draw(page)
    for _ in range(int(rng.integers(0, 5))):
        draw.rectangle(_box(rng, size), _color(rng))
    return page


def gradient(rng: np.random.Generator, size: int) -> Image.Image:
    """A linear or a round ramp from one colour to another."""
    y, x = np.mgrid[0:size, 0:size] / size
    angle = rng.random() * 2 * np.pi
    ramp = x * np.cos(angle) + y * np.sin(angle)
    if rng.random() < 0.3:
        ramp = np.hypot(x - rng.random(), y - rng.random())
    ramp = (ramp - ramp.min()) / np.ptp(ramp)
    start, end = np.array(_color(rng)), np.array(_color(rng))
    return Image.fromarray(np.round(start + ramp[..., None] * (end - start)).astype(np.uint8))


_KINDS: tuple[Callable[[np.random.Generator, int], Image.Image], ...] = (
    text, lines, text, screen, flat, gradient,
)  # fmt: skip


def _paragraph(
    rng: np.random.Generator,
    draw: ImageDraw.ImageDraw,
    box: tuple[int, int, int, int],
    ink: Color,
    height: int,
) -> None:
    """Fill a box (left, top, right, bottom) with lines; each is cut off where the box ends."""
    left, top, right, bottom = box
    fonts = _fonts()
    font = _font(fonts[int(rng.integers(len(fonts)))], height)
    per_line = max(1, int((right - left) / (0.55 * height)))
    for y in range(top, bottom - height, int(height * 1.3)):
        letters = rng.choice(list(_LETTERS), per_line)
        letters[rng.random(per_line) < 0.16] = " "
        draw.text((left + 2, y), "".join(letters), ink, font)


@lru_cache
def _fonts() -> tuple[Path | None, ...]:
    """Pillow's own font (None), and matplotlib's text fonts where it is installed."""
    try:
        import matplotlib
    except ImportError:
        return (None,)
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return (None, *sorted(folder.glob("DejaVu*.ttf")), *sorted(folder.glob("STIXGeneral*.ttf")))


@lru_cache
def _font(path: Path | None, height: int) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(height) if path is None else ImageFont.truetype(path, height)


def _color(rng: np.random.Generator) -> Color:
    """Any colour; a third of them corners of the cube, a third grays."""
    kind = rng.integers(3)
    if kind == 0:
        return tuple((255 * rng.integers(0, 2, 3)).tolist())
    if kind == 1:
        return (int(rng.integers(256)),) * 3
    return tuple(rng.integers(0, 256, 3).tolist())


def _pair(rng: np.random.Generator) -> tuple[Color, Color]:
    """Paper and ink: black on white half of the time, otherwise two colours well apart."""
    if rng.random() < 0.5:
        return (255, 255, 255), (0, 0, 0)
    paper = ink = _color(rng)
    while abs((np.array(paper) - ink) @ _GRAY) < 60:
        paper, ink = _color(rng), _color(rng)
    return paper, ink


def _box(rng: np.random.Generator, size: int) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of a rectangle of at least 8 pixels a side."""
    left, top = rng.integers(0, size - 8, 2).tolist()
    right = int(rng.integers(left + 8, size + 1))
    bottom = int(rng.integers(top + 8, size + 1))
    return left, top, right, bottom
