"""Standard input, output and error: open, closed, or at a terminal."""

from __future__ import annotations

import os
import sys
from pathlib import Path

PIPE = "-"


def reserve() -> None:
    """Put the null device where a standard stream is closed.

    Else the next file that is opened takes its number, and what is meant for standard error is
    written into it.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free


def say(message: str) -> None:
    """A line on standard error, if there is one: never on standard output."""
    if sys.stderr is None:
        return
    try:
        print(f"mcm-fast: {message}", file=sys.stderr, flush=True)
    except (OSError, ValueError):  # a full disk, a closed pipe
        pass


def show(text: str) -> None:
    """A line on standard output. Names of files may hold any bytes. Raises OSError."""
    if sys.stdout is None:
        raise OSError("standard output is closed")
    encoding = sys.stdout.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding))


def read(source: str) -> bytes:
    if source != PIPE:
        return Path(source).read_bytes()
    if sys.stdin is None:
        raise OSError("standard input is closed")
    return sys.stdin.buffer.read()


def write(target: str, data: bytes | memoryview, like: str | None = None) -> None:
    """To a file with the permissions and time of the file `like`, or to standard output."""
    from ..files import write_file

    if target != PIPE:
        write_file(target, data, None if like == PIPE else like)
        return
    check_output(target)
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def check_output(target: str) -> None:
    """OSError for a standard output that is closed or a terminal."""
    if target != PIPE:
        return
    if sys.stdout is None:
        raise OSError("standard output is closed")
    if sys.stdout.isatty():
        raise OSError("standard output is a terminal: name a file, or use a pipe")


def flush() -> bool:
    """Whether standard output took all of it. Says why not, unless its reader has gone."""
    if sys.stdout is None:
        return True
    try:
        sys.stdout.flush()
        return True
    except BrokenPipeError:
        pass
    except (OSError, ValueError) as error:
        say(f"standard output: {getattr(error, 'strerror', None) or error}")
    # Python flushes once more when it ends.
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):  # no file behind it
        pass
    return False
