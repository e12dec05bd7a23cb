"""The command line: `mcm-fast compress`, `decompress`, `transcode`, `info`, `eval` and others.

A command here only reads its arguments; torch is imported when one runs, so that `--help` is quick.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from .. import __version__
from .compress import compress
from .decompress import decompress
from .eval import evaluate
from .export import export
from .info import info
from .jobs import EXPECTED, reason
from .judge import judge
from .streams import flush, reserve, say, show
from .train import train
from .transcode import transcode

app = typer.Typer(
    help="A learned image codec, exact on every device.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for name, command in {
    "compress": compress,
    "decompress": decompress,
    "transcode": transcode,
    "info": info,
    "eval": evaluate,
    "judge": judge,
    "train": train,
    "export": export,
}.items():
    app.command(name)(command)


def _show_version(wanted: bool) -> None:
    if wanted:
        show(f"mcm-fast {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    pass


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0, 2 for an error told in a line on stderr, 130 for Ctrl-C."""
    reserve()
    with _terminable():
        try:
            code = _run(arguments)
        except BrokenPipeError:  # the reader of standard output has had enough
            code = 2
        return code if flush() else code or 2


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM ends a command as Ctrl-C does: no half file stays, and no process."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(arguments: list[str] | None) -> int:
    try:
        code = app(arguments, prog_name="mcm-fast", standalone_mode=False) or 0
        if code == 130:
            say("interrupted")
        return code
    except (KeyboardInterrupt, typer.Abort):  # older typers
        say("interrupted")
        return 130
    except BrokenPipeError:
        raise
    except EXPECTED as error:
        say(reason(error))
    except Exception as error:
        if not hasattr(error, "format_message"):  # click's, wherever this typer keeps its click
            raise
        say(error.format_message())
    return 2
