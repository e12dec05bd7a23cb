"""The command line: `mcm-fast compress`, `decompress`, `info`, `eval`, `judge`, `train`, `export`.

A command here only reads its arguments; torch is imported when one runs, so that `--help` is quick.
"""

from __future__ import annotations

import typer

from .compress import compress
from .decompress import decompress
from .eval import evaluate
from .export import export
from .info import info
from .jobs import EXPECTED, reason, say
from .judge import judge
from .train import train

app = typer.Typer(
    help="A learned image codec, exact on every device.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for name, command in {
    "compress": compress,
    "decompress": decompress,
    "info": info,
    "eval": evaluate,
    "judge": judge,
    "train": train,
    "export": export,
}.items():
    app.command(name)(command)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0, 2 for an error told in a line on stderr, 130 for Ctrl-C."""
    try:
        code = app(arguments, prog_name="mcm-fast", standalone_mode=False) or 0
        if code == 130:
            say("interrupted")
        return code
    except (KeyboardInterrupt, typer.Abort):  # older typers
        say("interrupted")
        return 130
    except EXPECTED as error:
        say(reason(error))
    except Exception as error:
        if not hasattr(error, "format_message"):  # click's, wherever this typer keeps its click
            raise
        say(error.format_message())
    return 2
