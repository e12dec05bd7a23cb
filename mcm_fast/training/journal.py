"""What a run writes down: a CSV of the device's sums and the held-out points."""

from __future__ import annotations

import csv
from pathlib import Path

from torch import Tensor

from ..evaluation.metrics import decibels
from .display import Display
from .losses import STATISTICS
from .validation import Point


class Journal:
    """Takes the device's sums at each read-out, keeps the held-out points for the next line."""

    def __init__(self, path: Path, held_out_levels: list[float], display: Display):
        self.path, self.levels, self.display = path, held_out_levels, display
        self.points: list[Point] = []
        self.checked = False

    def record(
        self, row: dict[str, float], health: dict[str, float], sums: Tensor, done: float
    ) -> None:
        """`row`: step, seconds, lr, images_per_second; the rest comes from the device."""
        good = max(1.0, health["steps"] - health["skipped"])
        samples = sums[:, 0].sum().clamp(min=1)
        named = dict(zip(STATISTICS, (sums.sum(0) / samples).tolist(), strict=True))
        mse = sums[:, STATISTICS.index("mse")] / sums[:, 0].clamp(min=1)
        psnr = decibels(mse)
        row = row | {
            "loss": named["loss"],
            "bpp": named["y_bpp"] + named["z_bpp"],
            "z_bpp": named["z_bpp"],
            "psnr": ((psnr * sums[:, 0]).sum() / samples).item(),
            "lpips": named["lpips"],
            "gan": named["gan"],
            "inverse": named["inverse"],
            "norm": health["norm"] / good,
            "skipped": health["skipped"],
        }
        self._write(row)
        self.display.show(row, done)

    def held_out(self, points: list[Point]) -> None:
        self.points = points
        pairs = " ".join(f"{p.bpp:.3f}:{p.psnr:.2f}" for p in points)
        self.display.note(f"held out: loss {_mean_loss(points):.4f} bpp:dB {pairs}")

    def _write(self, row: dict[str, float]) -> None:
        row = dict(row)
        known = {p.level: p for p in self.points}
        for level in self.levels:
            point = known.get(level)
            row[f"held_out_bpp_{level:g}"] = point.bpp if point else ""
            row[f"held_out_psnr_{level:g}"] = point.psnr if point else ""
        row["held_out_loss"] = _mean_loss(self.points) if self.points else ""
        fresh = not self.checked and self._is_new(list(row))
        self.checked = True
        with self.path.open("a", newline="") as file:
            writer = csv.DictWriter(file, list(row))
            if fresh:
                writer.writeheader()
            writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()})
        self.points = []

    def _is_new(self, columns: list[str]) -> bool:
        """Whether the CSV begins here; one with other columns is put aside first."""
        if not self.path.exists():
            return True
        with self.path.open(newline="") as file:
            if next(csv.reader(file), []) == columns:
                return False
        self.path.rename(self.path.with_name(f"{self.path.stem}-before.csv"))
        return True


def _mean_loss(points: list[Point]) -> float:
    return sum(p.loss for p in points) / max(1, len(points))
