"""One rung of the ladder: a process with a limit of time, and what is to be learnt from its end.

A process prints rows, each a line of JSON; all else that it prints is its log. Whatever becomes of
it, the rows that it has printed count.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import time
from pathlib import Path

GRACE = 3  # seconds to say where it hangs


@dataclasses.dataclass(frozen=True)
class Rung:
    """A process.

    Attributes:
        seconds: at most.
        needs: names of rungs that must have gone well; otherwise it is not run.
        rows: must it print rows?
        environment: added to this process's.
        variants: what may be tried when it fails (variants.py).
    """

    name: str
    command: tuple[str, ...]
    seconds: float
    needs: tuple[str, ...] = ()
    rows: bool = True
    environment: tuple[tuple[str, str], ...] = ()
    variants: tuple[str, ...] = ()


def run(rung: Rung, folder: Path, seconds: float, environment: dict[str, str]) -> dict:
    """Outcome ("ok", or what went wrong), seconds, rows. Its log is folder/log; what else it
    writes to its working directory, which is the folder, stays there. Never raises."""
    folder.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    settings = os.environ | environment | dict(rung.environment)
    settings |= {"PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1"}
    try:
        with open(folder / "log", "wb") as log:
            outcome = _outcome(rung, folder, seconds, settings, log)
        rows = rows_of((folder / "log").read_text(errors="replace"))
    except Exception as error:
        outcome, rows = f"could not be run: {error!r}", []
    if outcome == "ok" and rung.rows and not rows:
        outcome = "printed nothing"
    return {"outcome": outcome, "seconds": round(time.monotonic() - start, 1), "rows": rows}


def _outcome(rung: Rung, folder: Path, seconds: float, settings: dict[str, str], log) -> str:
    streams = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": subprocess.STDOUT}
    process = subprocess.Popen(
        rung.command, cwd=folder, env=settings, start_new_session=True, **streams
    )
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        _end(process)
        return f"hung: not done in {seconds:.0f} s"
    finally:
        _signal(process, signal.SIGKILL)  # what it has started
    if code < 0:
        return f"died: {signal.Signals(-code).name}"
    return "ok" if code == 0 else f"failed: ended with {code}"


def _end(process: subprocess.Popen) -> None:
    """First so that Python says where it is."""
    for number in (signal.SIGABRT, signal.SIGKILL):
        _signal(process, number)
        try:
            process.wait(GRACE)
            return
        except subprocess.TimeoutExpired:
            continue


def _signal(process: subprocess.Popen, number: int) -> None:
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        pass


def rows_of(log: str) -> list[dict]:
    """The lines that are JSON objects; a line that was cut is none."""
    rows = []
    for line in log.splitlines():
        if line.startswith("{"):
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError:
                continue
    return rows
