"""What commands over files share: pairs of source and target, progress, errors by file."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

import typer

# What a user can cause, from a bad file to a missing extension. The rest are bugs: a traceback.
EXPECTED = (ValueError, OSError, ImportError, RuntimeError, MemoryError)
PIPE = "-"


def jobs(
    sources: list[str], destination: str, suffix: str, is_meant: Callable[[Path], bool]
) -> list[tuple[str, str]]:
    """Return (source, target) pairs, without looking into any file.

    Several sources or a folder (of which the files that `is_meant` names are taken, not those of
    its subfolders) go to a folder, made if need be. Raises ValueError, OSError.
    """
    into_folder = os.path.isdir(destination) or destination.endswith(os.sep)
    if len(sources) == 1 and not os.path.isdir(sources[0]) and not into_folder:
        return [(sources[0], destination)]
    if destination == PIPE or PIPE in sources:
        raise ValueError("- is for one file in and one file out")
    targets: dict[str, str] = {}
    for source in _listed(sources, is_meant):
        target = os.path.join(destination, Path(source).stem + suffix)
        if target in targets:
            raise ValueError(f"{targets[target]} and {source} would both become {target}")
        targets[target] = source
    os.makedirs(destination, exist_ok=True)
    return [(source, target) for target, source in targets.items()]


def _listed(sources: list[str], is_meant: Callable[[Path], bool]) -> Iterable[str]:
    for source in sources:
        if not os.path.isdir(source):
            yield source
            continue
        names = sorted(p for p in Path(source).iterdir() if p.is_file() and is_meant(p))
        if not names:
            raise ValueError(f"{source}: nothing to do in this folder")
        yield from map(str, names)


def run(jobs: list[tuple[str, str]], job: Callable[[str, str], None]) -> None:
    """Do every job, show progress where there are several, report those that failed at the end."""
    failures = []
    for source, target in _with_progress(jobs):
        try:
            about(source, lambda s=source, t=target: job(s, t))
        except ValueError as error:
            failures.append(str(error))
    for failure in failures:
        say(failure)
    if failures:
        raise typer.Exit(2)


def about(source: str, action: Callable[[], object]) -> object:
    """Return what `action` returns; its errors and warnings name the file they are about."""
    name = "standard input" if source == PIPE else source
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        try:
            result = action()
        except EXPECTED as error:
            cause = reason(error)
            raise ValueError(cause if cause.startswith(name) else f"{name}: {cause}") from error
    for warning in caught:
        if warning.category is UserWarning:
            say(f"note: {name}: {first_line(str(warning.message))}")
    return result


def _with_progress(jobs: list[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    if len(jobs) < 2:
        return jobs
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    return track(jobs, "mcm-fast", console=console, disable=not console.is_terminal, transient=True)


def check_target(target: str, force: bool) -> None:
    if not force and target != PIPE and os.path.isfile(target):
        raise FileExistsError(f"{target} exists: use --force to overwrite it")


def is_stream_name(path: Path) -> bool:
    return path.suffix.lower() == ".mcm"


def read(source: str) -> bytes:
    return sys.stdin.buffer.read() if source == PIPE else Path(source).read_bytes()


def write(target: str, data: bytes) -> None:
    from ..files import write_file

    if target == PIPE:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    else:
        write_file(target, data)


def say(message: str) -> None:
    print(f"mcm-fast: {message}", file=sys.stderr)


def reason(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return first_line(str(error)) or type(error).__name__


def first_line(text: str) -> str:
    return text.strip().partition("\n")[0]
