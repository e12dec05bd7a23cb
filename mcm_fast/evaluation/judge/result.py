"""The result of a study: tables for people and programs."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...files import write_file
from ..tables import Table, pipes
from .statistics import (
    Attention,
    Rate,
    Score,
    Vote,
    attention,
    rates,
    scores,
    votes_of,
)
from .study import Study
from .votes import Votes


@dataclass
class Result:
    """`left_out`: the voters who missed an obvious trial; none of their votes count."""

    study: Study
    votes: list[Vote]
    attention: list[Attention]
    left_out: list[Attention]
    rates: list[Rate]
    scores: list[Score]

    @classmethod
    def of(cls, study: Study, rows: Iterable[Mapping[str, object]]) -> Result:
        """From `Votes.rows`."""
        rows = list(rows)
        checks = attention(rows)
        left_out = [check for check in checks if not check.passed]
        names = {check.voter for check in left_out}
        votes = [v for v in votes_of(rows, study.codecs) if v.voter not in names]
        found = rates(votes), scores(votes, study.codecs)
        return cls(study, votes, checks, left_out, *found)

    @property
    def voters(self) -> int:
        return len({vote.voter for vote in self.votes})


def score_table(result: Result) -> Table:
    """Bradley-Terry scores, with the share of all its comparisons that a codec won."""
    header = ["codec", "score (Elo)", "95 % interval", "preferred", "votes", "mean bpp"]
    return header, [
        [
            s.codec,
            f"{s.elo:+.0f}",
            f"{s.low:+.0f} .. {s.high:+.0f}" if math.isfinite(s.low) else "-",
            *_preferred([v for v in result.votes if s.codec in (v.first, v.second)], s.codec),
            _number(_mean(result.study, s.codec, "bpp"), "{:.3f}"),
        ]
        for s in result.scores
    ]


def rate_table(result: Result) -> Table:
    """Each pair: how often the first was preferred, of those who could tell."""
    header = ["pair", "first preferred", "95 % interval", "first", "second", "cannot tell", "p"]
    return header, [
        [
            f"{r.first} or {r.second}",
            _percent(r.rate),
            "-" if r.low is None else f"{_percent(r.low)} .. {_percent(r.high)}",
            *map(str, (r.wins, r.losses, r.same)),
            _p(r.p),
        ]
        for r in result.rates
    ]


def image_table(result: Result) -> Table:
    """The form of the paper's Table 1: each image and codec, its rate, metrics, and people's votes.

    "preferred" is the share of the codec's comparisons on that image that it won.
    """
    from ..metrics import PREFIXES, title

    found = [m for image in result.study.images for m in image.measures.values()]
    more = sorted({key for m in found for key in m if key.startswith(PREFIXES)})
    columns = {"bpp": "{:.3f}", "psnr": "{:.2f}", "ms_ssim": "{:.4f}"} | dict.fromkeys(
        more, "{:.4f}"
    )
    header = ["image", "codec", "bpp", *(title(c) for c in columns if c != "bpp")]
    rows = []
    for image in result.study.images:
        mine = [v for v in result.votes if v.image == image.name]
        for codec in result.study.codecs:
            numbers = [_number(image.measures[codec].get(c), f) for c, f in columns.items()]
            votes = [v for v in mine if codec in (v.first, v.second)]
            rows.append([image.name, codec, *numbers, *_preferred(votes, codec)])
    return [*header, "preferred", "votes"], rows


def attention_table(result: Result) -> Table:
    header = ["voter", "votes", "obvious seen", "repeats alike", "counted"]
    return header, [
        [
            a.name or a.voter[:6],
            str(a.votes),
            f"{a.obvious_passed} of {a.obvious}",
            f"{a.repeats_equal} of {a.repeats}",
            "yes" if a.passed else "no",
        ]
        for a in result.attention
    ]


def summary(result: Result) -> str:
    text = f"{len(result.votes)} votes of {result.voters} people on "
    text += f"{len(result.study.images)} images. The question: {result.study.question}"
    if result.left_out:
        text += f" Left out: {len(result.left_out)} who missed an obvious trial."
    return text


def tables(result: Result) -> dict[str, Table]:
    return {
        "Scores": score_table(result),
        "Pairs": rate_table(result),
        "Images": image_table(result),
        "Attention": attention_table(result),
    }


def markdown(result: Result) -> str:
    parts = [summary(result)]
    for title, content in tables(result).items():
        parts += [f"## {title}", pipes(content)]
    return "\n\n".join(parts) + "\n"


def to_json(result: Result) -> str:
    content = {
        "study": result.study.key,
        "about": result.study.about,
        "votes": len(result.votes),
        "voters": result.voters,
        "left_out": [a.voter for a in result.left_out],
        "scores": [_plain(s) for s in result.scores],
        "pairs": [_plain(r) for r in result.rates],
        "attention": [_plain(a) for a in result.attention],
    }
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def write_all(study: Study, votes: Votes, folder: str | os.PathLike) -> list[Path]:
    """Write votes.csv, result.json, result.md and result.html."""
    from .result_page import page

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    result = Result.of(study, votes.rows())
    contents = {
        "votes.csv": votes.csv(),
        "result.json": to_json(result),
        "result.md": markdown(result),
        "result.html": page(result),
    }
    for name, content in contents.items():
        write_file(folder / name, content.encode())
    return [folder / name for name in contents]


def _preferred(votes: Sequence[Vote], codec: str) -> tuple[str, str]:
    """The share of these comparisons that the codec won, ties as halves; and their number."""
    won = sum(v.share if v.first == codec else 1 - v.share for v in votes)
    return _percent(won / len(votes) if votes else None), str(len(votes))


def _mean(study: Study, codec: str, measure: str) -> float | None:
    values = [image.measures[codec].get(measure) for image in study.images]
    return None if None in values else math.fsum(values) / len(values)


def _number(value: float | None, pattern: str) -> str:
    return "-" if value is None else pattern.format(value)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.0f} %"


def _p(value: float | None) -> str:
    if value is None:
        return "-"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _plain(row: Score | Rate | Attention) -> dict[str, object]:
    return {
        key: value if not isinstance(value, float) or math.isfinite(value) else None
        for key, value in row._asdict().items()
    }
