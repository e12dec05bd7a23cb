"""The result as a page: a plot of the scores, then the tables. No script, no network."""

from __future__ import annotations

import math
from html import escape

from ..pages import document, table
from .result import Result, summary, tables
from .statistics import Score

_LABEL, _WIDTH, _ROW, _TOP = 190, 900, 38, 14  # pixels
_NOTES = {
    "Scores": "Bradley-Terry: 100 points are a preference of 64 %, 200 of 76 %. The units of the "
    "interval are voters, where there are eight or more.",
    "Pairs": "Wilson's interval; p is of a fair coin, two-sided.",
    "Images": "The form of the paper's Table 1, with people's votes.",
    "Attention": "An obvious trial shows the original itself beside a ruin; a repeat the same pair "
    "again, sides swapped.",
}


def page(result: Result) -> str:
    """The whole page as text."""
    parts = ["<h1>Who is closer to the original</h1>", f"<p>{escape(summary(result))}</p>"]
    if any(math.isfinite(score.low) for score in result.scores):
        parts.append(f'<div class="panel">{scores_plot(result.scores)}</div>')
    for title, content in tables(result).items():
        parts += [f"<h2>{title}</h2>", f'<p class="dim">{_NOTES[title]}</p>', table(content)]
    return document("Result of a blind comparison", "\n".join(parts))


def scores_plot(scores: list[Score]) -> str:
    """Scores with their intervals as inline SVG."""
    low = min(score.low for score in scores)
    high = max(score.high for score in scores)
    step = _step(high - low)
    low, high = step * math.floor(low / step), step * math.ceil(high / step)
    bottom = _TOP + _ROW * len(scores)

    def x(value: float) -> float:
        return _LABEL + (value - low) / (high - low) * (_WIDTH - _LABEL - 20)

    parts = []
    for i in range(round((high - low) / step) + 1):
        value = low + i * step
        at = f"{x(value):.1f}"
        kind, label = ("grid", f"{value:+g}") if value else ("zero", "0")
        parts.append(f'<line class="{kind}" x1="{at}" x2="{at}" y1="{_TOP}" y2="{bottom}"/>')
        parts.append(
            f'<text class="tick" x="{at}" y="{bottom + 18}" text-anchor="middle">{label}</text>'
        )
    for i, score in enumerate(scores):
        y = _TOP + _ROW * (i + 0.5)
        told = f"{score.codec}: {score.elo:+.0f} ({score.low:+.0f} .. {score.high:+.0f})"
        parts.append(
            f"<g><title>{escape(told)}</title>"
            f'<text x="{_LABEL - 14}" y="{y + 4}" text-anchor="end">{escape(score.codec)}</text>'
            f'<line class="whisker" x1="{x(score.low):.1f}" x2="{x(score.high):.1f}" '
            f'y1="{y}" y2="{y}"/><circle class="dot" cx="{x(score.elo):.1f}" cy="{y}" r="6"/></g>'
        )
    return (
        f'<svg viewBox="0 0 {_WIDTH} {bottom + 26}" role="img" '
        f'aria-label="Scores on Elo\'s scale with 95 % intervals">{"".join(parts)}</svg>'
    )


def _step(span: float) -> float:
    """A round distance of grid lines, five to ten of them."""
    power = 10 ** math.floor(math.log10(span / 5))
    return next(power * m for m in (1, 2, 5, 10) if span / (power * m) <= 9)
