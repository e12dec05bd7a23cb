"""What is seen of a run while it runs: a bar on a terminal, otherwise a line now and then."""

from __future__ import annotations

import sys
import time

_LINE_SECONDS = 30.0
_FIELDS = "loss {loss:.4f}  bpp {bpp:.3f}  PSNR {psnr:.2f}  {images_per_second:.1f} images/s"


class Display:
    """`label` names the run. Nothing is shown while `quiet`."""

    def __init__(self, label: str, quiet: bool = False):
        self.label, self.quiet = label, quiet
        self.progress = None if quiet or not sys.stdout.isatty() else _bar()
        self.task = None
        self.shown = time.monotonic()

    def show(self, row: dict[str, float], done: float) -> None:
        """A row of the journal; `done` is the share of the run in 0 .. 1."""
        if self.progress is not None:
            if self.task is None:
                self.task = self.progress.add_task(self.label, total=1.0, facts="")
                self.progress.start()
            facts = f"step {row['step']}  {_FIELDS.format(**row)}"
            self.progress.update(self.task, completed=min(1.0, done), facts=facts)
        elif not self.quiet and time.monotonic() - self.shown >= _LINE_SECONDS:
            self.shown = time.monotonic()
            print(_line(row), flush=True)

    def note(self, text: str) -> None:
        """A line that stays."""
        if self.progress is not None:
            self.progress.console.print(text)
        elif not self.quiet:
            print(text, flush=True)

    def close(self) -> None:
        if self.progress is not None:
            self.progress.stop()


def _bar():
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = TextColumn("{task.description}"), BarColumn(20), TaskProgressColumn()
    return Progress(*columns, TimeElapsedColumn(), TextColumn("{task.fields[facts]}"))


def _line(row: dict[str, float]) -> str:
    return (
        f"step {row['step']} {row['seconds']:.0f}s lr {row['lr']:.2e} {_FIELDS.format(**row)}  "
        f"z {row['z_bpp']:.3f}  norm {row['norm']:.2f}  skipped {row['skipped']:.0f}"
    )
