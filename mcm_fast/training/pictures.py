"""A run in pictures: the curves of its CSV, and held-out crops beside their reconstructions."""

from __future__ import annotations

import csv
from pathlib import Path

import torch
from torch import Tensor

from ..evaluation.metrics import need
from ..images import write_image
from ..network.model import Network

_CROPS = 6


@torch.no_grad()
def reconstructions(network: Network, images: Tensor, levels: list[float], path: Path) -> None:
    """Write a PNG: a column for each of a few crops (n, 3, H, W) in [0, 1], the original on top,
    below it what `network` makes of it at each level."""
    images = images[:_CROPS]
    rows = [images]
    for level in levels:
        rows.append(network(images, torch.full((len(images),), level, device=images.device)).image)
    grid = torch.cat([torch.cat([*row.float()], 2) for row in rows], 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image((grid * 255).round().clamp(0, 255).to(torch.uint8).cpu(), path)


def plot(log: Path, path: Path) -> None:
    """The curves of a log.csv as a PNG: loss, held-out loss, bits a pixel and PSNR over steps."""
    need("matplotlib")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with log.open(newline="") as file:
        rows = list(csv.DictReader(file))
    figure = Figure(figsize=(8, 8), dpi=120, layout="constrained")
    axes = FigureCanvasAgg(figure).figure.subplots(3, 1, sharex=True)
    for axis, name in zip(axes, ("loss", "bpp", "psnr"), strict=True):
        axis.plot(*_column(rows, name), linewidth=1, label="training")
        axis.set_ylabel({"loss": "loss", "bpp": "bits per pixel", "psnr": "PSNR (dB)"}[name])
        axis.grid(alpha=0.3)
    axes[0].plot(*_column(rows, "held_out_loss"), "o-", markersize=3, label="held out")
    axes[0].set_yscale("log")
    axes[0].legend()
    axes[-1].set_xlabel("step")
    figure.savefig(path, format="png")


def _column(rows: list[dict[str, str]], name: str) -> tuple[list[int], list[float]]:
    """The steps and values of a column, where it has any."""
    found = [(int(row["step"]), float(row[name])) for row in rows if row.get(name)]
    return [step for step, _ in found], [value for _, value in found]
