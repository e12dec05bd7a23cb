"""Arguments that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

Sources = Annotated[list[str], typer.Argument(metavar="IN", help="Files, a folder, or -")]
Destination = Annotated[str, typer.Argument(metavar="OUT", help="A file, a folder, or -")]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, ...")]
MaxPixels = Annotated[int, typer.Option(help="Refuse larger images.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite existing files.")]
SkipExisting = Annotated[
    bool, typer.Option("--skip-existing", help="Leave files alone that exist: repeat a run.")
]
Recursive = Annotated[bool, typer.Option("--recursive", "-r", help="Subfolders, too.")]
Jobs = Annotated[int, typer.Option(help="Files at a time; 0: as the cores allow.")]
