"""The command `mcm-fast info`."""

from __future__ import annotations

import json
import os
from typing import Annotated, Any

import typer

from .jobs import outcome_of
from .options import Recursive
from .pairs import Kind, Pairs, is_stream_name, listed
from .streams import PIPE, read, say, show


def info(
    sources: Annotated[
        list[str], typer.Argument(metavar="FILE", help=".mcm files, a folder, or -")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; a list of several.")] = False,
    recursive: Recursive = False,
) -> None:
    """Describe .mcm files."""
    import mcm_fast

    work = _files(sources, recursive)
    facts: list[dict[str, Any]] = []
    failed = False
    for source, _ in work.pairs:
        outcome = outcome_of(source, lambda s=source: facts.append(mcm_fast.info(read(s))))
        if outcome.failure:
            failed = True
            say(outcome.failure)
        elif work.several:
            facts[-1] = {"file": source, **facts[-1]}
    if as_json and facts:
        show(json.dumps(facts if work.several else facts[0], indent=2))
    elif facts:
        show("\n\n".join("\n".join(map(_line, one.items())) for one in facts))
    if failed:
        raise typer.Exit(2)


def _files(sources: list[str], recursive: bool) -> Pairs:
    """The files in `pairs`; there are no targets."""
    work = Pairs([], several=len(sources) > 1 or os.path.isdir(sources[0]))
    kind = Kind("", is_stream_name, lambda _: True)
    work.pairs = [(source, "") for source, _ in listed(sources, kind, recursive, work)]
    if sources.count(PIPE) > 1:
        raise ValueError("- can be read once")
    return work


def _line(fact: tuple[str, Any]) -> str:
    name, value = fact
    if isinstance(value, dict):
        value = ", ".join(f"{key} {size}" for key, size in value.items()) or "none"
    elif value is None:
        value = "not installed"
    return f"{name.replace('_', ' '):<14}{round(value, 4) if name == 'bpp' else value}"
