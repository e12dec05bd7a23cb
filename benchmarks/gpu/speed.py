"""One subject of the CUDA engine's benchmarks (subjects.py), a row of JSON as soon as it is known.

    python speed.py SUBJECT [--images FOLDER] [--variant VARIANT] [--dry-run]

Each first checks that what it times is right. Times are milliseconds by device events.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import variants
from dry import interpreted

Size = tuple[int, int]  # an image's height and width


@dataclasses.dataclass(frozen=True)
class Plan:
    """How much is measured."""

    device: str
    model: str  # trained
    drawn: bool  # are there drawn latents of untrained models? (drawn/)
    sizes: tuple[Size, ...]
    batch: int
    symbols: int
    groups: int
    repeats: int
    options: tuple[dict, ...]  # other ways to launch the step of the wavefront


GPU = Plan(
    device="cuda",
    model="small",
    drawn=True,
    sizes=((512, 768), (1080, 1920)),
    batch=16,
    symbols=16_000_000,
    groups=1024,
    repeats=15,
    options=tuple(
        {"num_warps": warps, "num_stages": stages} for warps in (4, 8) for stages in (2, 3, 5)
    ),
)
DRY_RUN = Plan(
    device="cpu",
    model="tiny",
    drawn=False,
    sizes=((16, 16),),
    batch=2,
    symbols=20_000,
    groups=4,
    repeats=1,
    options=({"num_warps": 4},),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("subject")
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--images", type=Path)
    parser.add_argument("--variant")
    arguments = parser.parse_args()
    variants.apply(arguments.variant)
    with interpreted(arguments.dry_run):
        measure(arguments.subject, DRY_RUN if arguments.dry_run else GPU, arguments.images)


def measure(subject: str, plan: Plan, images: Path | None) -> None:
    from facts import clocks
    from rows import say
    from subjects import SUBJECTS

    for row in SUBJECTS[subject](plan, images):
        say(**row, clocks=clocks())


if __name__ == "__main__":
    main()
