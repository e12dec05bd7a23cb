"""What effort gives: `python benchmarks/effort.py RESULTS.csv IMAGE [IMAGE ...] [--efforts 3,6,9]`.

Each image at each effort and quality, true bytes and true pixels, a row a stream; effort 0 at many
more qualities, for the curve it is compared with. Rows that are there already are not made again,
so a run that was stopped goes on. Time is processor time of one thread. Prints a Markdown
table of these images, or of all with rows where none is named: the BD-rate of the mean curves, and
the time in units of the same image's at effort 0.
"""

import argparse
import collections
import csv
import statistics
import time
from pathlib import Path
from typing import NamedTuple

import torch

import mcm_fast
from mcm_fast.evaluation.bd_rate import bd_rate
from mcm_fast.evaluation.metrics import psnr
from mcm_fast.images import read_image

QUALITIES = (20.0, 40.0, 60.0, 80.0)
CURVE = tuple(float(q) for q in (*range(0, 100, 6), 100))


class Row(NamedTuple):
    image: str
    effort: int
    quality: float
    bytes: int
    pixels: int
    psnr: float
    seconds: float


def rows_of(path: Path) -> list[Row]:
    if not path.exists():
        return []
    types = Row.__annotations__.values()
    with path.open() as file:
        lines = list(csv.reader(file))[1:]
    return [Row(*(kind(cell) for kind, cell in zip(types, line, strict=True))) for line in lines]


def measured(codec: mcm_fast.Codec, path: Path, effort: int, quality: float) -> Row:
    image, _ = read_image(path)
    start = time.process_time()
    stream = codec.compress(image, quality, effort=effort)
    seconds = time.process_time() - start
    decoded = codec.decompress(stream)
    pixels = image.shape[1] * image.shape[2]
    return Row(path.stem, effort, quality, len(stream), pixels, psnr(image, decoded), seconds)


def mean_curve(rows: list[Row], images: set[str]) -> dict[str, list[float]]:
    """Of the qualities that every image has."""
    curve: dict[str, list[float]] = {"bpp": [], "psnr": []}
    for quality in sorted({row.quality for row in rows}):
        points = [row for row in rows if row.quality == quality and row.image in images]
        if len(points) == len(images):
            curve["bpp"].append(statistics.mean(8 * row.bytes / row.pixels for row in points))
            curve["psnr"].append(statistics.mean(row.psnr for row in points))
    return curve


class Gain(NamedTuple):
    """What an effort gives on the images that have all its qualities."""

    effort: int
    images: int
    percent: float  # BD-rate against effort 0
    low: float  # dB
    high: float
    seconds: float  # an image, median
    times: float  # of the same image at effort 0, median
    curve: dict[str, list[float]]


def gains(rows: list[Row]) -> list[Gain]:
    base = [row for row in rows if row.effort == 0]
    usual = {
        name: statistics.median(r.seconds for r in base if r.image == name)
        for name in {row.image for row in base}
    }
    found = []
    for effort in sorted({row.effort for row in rows} - {0}):
        ours = [row for row in rows if row.effort == effort]
        count = len({row.quality for row in ours})
        names = {row.image for row in ours}
        whole = {n for n in names if sum(row.image == n for row in ours) == count}
        curve = mean_curve(ours, whole)
        rate = bd_rate(mean_curve(base, whole), curve)
        if rate is not None:
            times = statistics.median(row.seconds / usual[row.image] for row in ours)
            seconds = statistics.median(row.seconds for row in ours)
            sums = rate.percent, rate.low, rate.high, seconds, times
            found.append(Gain(effort, len(whole), *sums, curve))
    return found


def with_all(rows: list[Row]) -> list[Row]:
    """Of the images that have rows of every effort: curves of other images do not compare."""
    efforts = collections.defaultdict[str, set[int]](set)
    for row in rows:
        efforts[row.image].add(row.effort)
    every = set().union(*efforts.values())
    return [row for row in rows if efforts[row.image] == every]


def plot(rows: list[Row], path: Path) -> None:
    """Gain over time, and the curves, of the images that have all efforts."""
    from matplotlib.figure import Figure

    rows = with_all(rows)
    found = gains(rows)
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot([1, *(g.times for g in found)], [0, *(-g.percent for g in found)], "o-")
    for gain in found:
        left.annotate(f"effort {gain.effort}", (gain.times, -gain.percent), (-58, 2), "data",
                      "offset points")  # fmt: skip
    left.set(
        xscale="log", xlabel="encoding time, times effort 0", ylabel="bytes saved at equal PSNR, %"
    )
    base = [row for row in rows if row.effort == 0]
    curve = mean_curve(base, {row.image for row in rows if row.effort > 0})
    right.plot(curve["bpp"], curve["psnr"], "-", label="effort 0")
    for gain in found:
        right.plot(gain.curve["bpp"], gain.curve["psnr"], "o--", label=f"effort {gain.effort}")
    right.set(xlabel="bits a pixel", ylabel="PSNR, dB")
    right.legend()
    for axes in (left, right):
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=100)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("images", type=Path, nargs="*")
    parser.add_argument("--efforts", default="3,6,9")
    parser.add_argument("--plot", type=Path, help="a PNG of the gains")
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows = rows_of(given.results)
    there = {row[:3] for row in rows}
    wanted = [(0, quality) for quality in sorted({*CURVE, *QUALITIES})]
    wanted += [(int(e), quality) for e in given.efforts.split(",") for quality in QUALITIES]
    codec = mcm_fast.load("small")
    with given.results.open("a", buffering=1) as file:
        writer = csv.writer(file)
        if not rows:
            writer.writerow(Row._fields)
        for effort, quality in wanted:
            for path in given.images:
                if (path.stem, effort, quality) not in there:
                    rows.append(measured(codec, path, effort, quality))
                    writer.writerow(rows[-1])
    names = {path.stem for path in given.images} or {row.image for row in rows}
    rows = [row for row in rows if row.image in names]
    found = gains(rows)
    print("| effort | images | BD-rate | range, dB | time |\n|---|---:|---:|---:|---:|")
    for g in found:
        time_cell = f"{g.seconds:.1f} s, {g.times:.0f}x"
        span = f"{g.low:.2f} to {g.high:.2f}"
        print(f"| {g.effort} | {g.images} | {g.percent:+.2f} % | {span} | {time_cell} |")
    if given.plot is not None:
        plot(rows, given.plot)


if __name__ == "__main__":
    main()
