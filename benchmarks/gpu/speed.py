"""The CUDA engine's benchmarks. Each first checks that what it times is right.

Prints JSON, the last line with all of it: for each subject a list of rows. Times are milliseconds,
medians by device events. Latents are drawn from an untrained model's own tables at 0.5 bits a pixel
(sampled.py), or are those of a photograph in the shipped model.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

from dry import interpreted

Size = tuple[int, int]  # an image's height and width


@dataclasses.dataclass(frozen=True)
class Plan:
    """How much is measured."""

    device: str
    model: str  # trained
    drawn: tuple[str, ...]  # untrained ones, whose latents are drawn
    sizes: tuple[Size, ...]
    batch: int
    symbols: int
    groups: int
    repeats: int
    options: tuple[dict, ...]  # other ways to launch the step of the wavefront


GPU = Plan(
    device="cuda",
    model="small",
    drawn=("small", "base"),
    sizes=((512, 768), (1080, 1920)),
    batch=16,
    symbols=64_000_000,
    groups=1024,
    repeats=15,
    options=tuple(
        {"num_warps": warps, "num_stages": stages} for warps in (4, 8) for stages in (2, 3, 5)
    ),
)
DRY_RUN = Plan(
    device="cpu",
    model="tiny",
    drawn=(),
    sizes=((16, 16),),
    batch=2,
    symbols=20_000,
    groups=4,
    repeats=1,
    options=({"num_warps": 4},),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--images", type=Path)
    arguments = parser.parse_args()
    with interpreted(arguments.dry_run):
        measure(DRY_RUN if arguments.dry_run else GPU, arguments.images)


def measure(plan: Plan, images: Path | None) -> None:
    """Prints what is known after each subject, for a reader that may not wait for the last."""
    from subjects import SUBJECTS, machine

    results = {"machine": machine(plan)}
    for name, rows_of in SUBJECTS.items():
        results[name] = rows_of(plan, images)
        print(json.dumps(results), flush=True)


if __name__ == "__main__":
    main()
