"""The command `mcm-fast info`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from .jobs import about, read


def info(
    source: Annotated[str, typer.Argument(metavar="FILE", help="A .mcm file, or -")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Describe a .mcm file."""
    import mcm_fast

    facts = about(source, lambda: mcm_fast.info(read(source)))
    if as_json:
        print(json.dumps(facts, indent=2))
        return
    for name, value in facts.items():
        if isinstance(value, dict):
            value = ", ".join(f"{key} {size}" for key, size in value.items()) or "none"
        elif value is None:
            value = "not installed"
        print(f"{name.replace('_', ' '):<14}{round(value, 4) if name == 'bpp' else value}")
