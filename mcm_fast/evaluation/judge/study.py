"""A study on disk: its pictures, and `study.json` that says what they are.

    OUT/study.json   OUT/pictures/IMAGE/CODEC.png   OUT/votes.sqlite

Reading needs the standard library alone, so that a server is up at once; `prepare.py` writes it.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from .trials import Trial, allot, comparisons
from .votes import Votes

FILE = "study.json"
QUESTION = "Which is closer to the original?"


@dataclass
class Image:
    """An image's size, its picture files relative to the study, and what was measured of them.

    `files` has "original", "ruin" and each codec; `measures` for each codec "bytes", "bpp", "psnr",
    "ms_ssim" and perhaps other metrics, None where nobody knows.
    """

    name: str
    width: int
    height: int
    files: dict[str, str]
    measures: dict[str, dict[str, float | None]]


@dataclass
class Study:
    """`key` stands for images, codecs and settings: votes belong to one key."""

    folder: Path
    key: str
    codecs: list[str]
    images: list[Image]
    votes: int = 42  # for each voter, without the checks
    seed: int = 0
    question: str = QUESTION
    about: dict[str, object] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: str | os.PathLike) -> Study:
        """Raises OSError where there is no study, ValueError where it cannot be read."""
        folder = Path(folder)
        try:
            content = json.loads((folder / FILE).read_text())
            images = [Image(**image) for image in content.pop("images")]
            return cls(folder, images=images, **content)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"{folder / FILE}: not a study ({error})") from error

    def to_json(self) -> str:
        content = asdict(self)
        del content["folder"]
        return json.dumps(content, indent=1) + "\n"

    def open_votes(self) -> Votes:
        return Votes(self.folder / "votes.sqlite", self.key)

    def allot(self, voter: int) -> list[Trial]:
        """The trials of the voter with this number."""
        names = [image.name for image in self.images]
        return allot(comparisons(names, self.codecs), voter, self.votes, self.seed)

    def image(self, name: str) -> Image:
        return next(image for image in self.images if image.name == name)
