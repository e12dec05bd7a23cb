"""What a run shows: a progress bar or a line now and then, and a CSV."""

from __future__ import annotations

import csv
import sys
import time
from pathlib import Path

from torch import Tensor

from .losses import STATISTICS
from .validation import Point

_LINE_SECONDS = 30.0


class Journal:
    """Takes the device's sums at each read-out, keeps their means for the next line."""

    def __init__(self, path: Path, held_out_levels: list[float]):
        self.path, self.levels = path, held_out_levels
        self.points: list[Point] = []
        self.started = self.shown = time.monotonic()
        self.row: dict[str, float | str] = {}

    def record(self, row: dict[str, float], health: dict[str, float], sums: Tensor) -> None:
        """`row`: step, seconds, lr, images_per_second; the rest comes from the device."""
        good = max(1.0, health["steps"] - health["skipped"])
        samples, *means = (sums.sum(0) / sums.sum(0)[0].clamp(min=1)).tolist()
        named = dict(zip(STATISTICS[1:], means, strict=True))
        psnr = -10 * (sums[:, 4] / sums[:, 0].clamp(min=1)).clamp(min=1e-10).log10()
        self.row = row | {
            "loss": named["loss"],
            "bpp": named["y_bpp"] + named["z_bpp"],
            "z_bpp": named["z_bpp"],
            "psnr": (psnr * sums[:, 0]).sum().item() / max(1.0, sums[:, 0].sum().item()),
            "norm": health["norm"] / good,
            "skipped": health["skipped"],
        }
        self._write()
        self._show()

    def held_out(self, points: list[Point]) -> None:
        self.points = points
        print("held out: " + self._points(), flush=True)

    def _points(self) -> str:
        loss = sum(p.loss for p in self.points) / max(1, len(self.points))
        pairs = " ".join(f"{p.bpp:.3f}:{p.psnr:.2f}" for p in self.points)
        return f"loss {loss:.4f} bpp:dB {pairs}"

    def _write(self) -> None:
        row = dict(self.row)
        known = {p.level: p for p in self.points}
        for level in self.levels:
            point = known.get(level)
            row[f"held_out_bpp_{level:g}"] = point.bpp if point else ""
            row[f"held_out_psnr_{level:g}"] = point.psnr if point else ""
        row["held_out_loss"] = (
            sum(p.loss for p in self.points) / len(self.points) if self.points else ""
        )
        fresh = not self.path.exists()
        with self.path.open("a", newline="") as file:
            writer = csv.DictWriter(file, list(row))
            if fresh:
                writer.writeheader()
            writer.writerow(
                {k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()}
            )
        self.points = []

    def _show(self) -> None:
        now = time.monotonic()
        if not sys.stdout.isatty() and now - self.shown < _LINE_SECONDS:
            return
        self.shown = now
        r = self.row
        line = (
            f"step {r['step']} {r['seconds']:.0f}s lr {r['lr']:.2e} loss {r['loss']:.4f} "
            f"bpp {r['bpp']:.3f} (z {r['z_bpp']:.3f}) psnr {r['psnr']:.2f} norm {r['norm']:.2f} "
            f"skipped {r['skipped']:.0f} images/s {r['images_per_second']:.1f}"
        )
        end = "\r" if sys.stdout.isatty() else "\n"
        print(line, end=end, flush=True)
