"""What commands over files share: each file's outcome, progress, the summary, the exit code."""

from __future__ import annotations

import enum
import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import typer

from .pairs import Pairs
from .pool import MODULES, outcomes_of
from .streams import PIPE, say

# What a user can cause, from a bad file to a missing extension. The rest are bugs: a traceback.
EXPECTED = (ValueError, OSError, ImportError, RuntimeError, MemoryError)
Job = Callable[[str, str], None]
_NAMED = 5  # as many files are named in a summary


class Status(enum.Enum):
    DONE = "done"
    SKIPPED = "skipped, for they exist"
    FAILED = "failed"
    FOREIGN = "no pictures"


@dataclass
class Outcome:
    """What became of one file: its status, the lines about it."""

    status: Status
    notes: list[str] = field(default_factory=list)
    failure: str = ""


@dataclass(frozen=True)
class Attempt:
    """A job with its manners; it travels to other processes, so `job` must, too."""

    job: Job
    force: bool = False
    skip_existing: bool = False

    def __call__(self, pair: tuple[str, str]) -> Outcome:
        source, target = pair
        exists = target != PIPE and os.path.isfile(target)
        if exists and self.skip_existing:
            return Outcome(Status.SKIPPED)
        if exists and not self.force:
            return Outcome(Status.FAILED, [], f"{target} exists: use --force to overwrite it")
        return outcome_of(source, lambda: self.job(source, target))


def outcome_of(source: str, action: Callable[[], object]) -> Outcome:
    """Run an action about a file; its errors and warnings name the file."""
    name = "standard input" if source == PIPE else source
    outcome = Outcome(Status.DONE)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        try:
            action()
        except EXPECTED as error:
            outcome.status = Status.FOREIGN if _is_foreign(error) else Status.FAILED
            cause = reason(error)
            outcome.failure = cause if cause.startswith(name) else f"{name}: {cause}"
    told = (first_line(str(w.message)) for w in caught if w.category is UserWarning)
    outcome.notes = [f"note: {name}: {message}" for message in dict.fromkeys(told)]
    return outcome


def run(
    work: Pairs, attempt: Attempt, processes: int = 1, modules: Sequence[str] = MODULES
) -> None:
    """Do every job, with progress and a summary where there are several.

    `modules`: see `outcomes_of`.

    Raises typer.Exit with code 2 if a file failed; not where --skip-existing repeats a run and
    nothing new could be done: what the first run refused is told again, no more.
    """
    counts: Counter[Status] = Counter()
    failures = []
    outcomes = outcomes_of(work.pairs, attempt, processes, modules)
    for outcome in _with_progress(outcomes, len(work.pairs)):
        counts[outcome.status] += 1
        for line in outcome.notes:
            say(line)
        if outcome.failure:
            failures.append(outcome.failure)
    for line in failures:
        say(line)
    if work.several:
        _summarise(counts, work)
    is_repetition = counts[Status.SKIPPED] and not counts[Status.DONE]
    if failures and not is_repetition:
        raise typer.Exit(2)


def _summarise(counts: Counter[Status], work: Pairs) -> None:
    if work.others:
        say(f"not meant by their names: {_names(work.others)}")
    if work.folders:
        say(f"not looked into (--recursive does): {_names(work.folders)}")
    parts = [f"{counts[status]} {status.value}" for status in Status if counts[status]]
    total = sum(counts.values())
    say(f"{total} file{'s' * (total != 1)}: {', '.join(parts)}")


def _names(paths: list[str]) -> str:
    more = len(paths) - _NAMED
    return ", ".join(paths[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _is_foreign(error: BaseException) -> bool:
    from ..images import NotAnImage

    return isinstance(error, NotAnImage)


def _with_progress(outcomes: Iterable[Outcome], total: int) -> Iterator[Outcome]:
    if total < 2:
        yield from outcomes
        return
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    hidden = not console.is_terminal
    yield from track(outcomes, "mcm-fast", total, console=console, disable=hidden, transient=True)


def reason(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return first_line(str(error)) or type(error).__name__


def first_line(text: str) -> str:
    return text.strip().partition("\n")[0]
