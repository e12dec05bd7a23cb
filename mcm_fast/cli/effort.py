"""The options of `mcm-fast compress` about effort. Torch is imported when they are used."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from torch import Tensor

Effort = Annotated[
    int, typer.Option(min=0, max=9, help="Time spent for fewer bytes: 0 none, 9 most.")
]
Importance = Annotated[
    Path | None, typer.Option(metavar="MASK", help="A picture, bright where the bytes should go.")
]


def read_importance(path: str | os.PathLike[str]) -> Tensor:
    """A picture as a map (H, W): black 0, white 1. Raises ValueError for what is no picture."""
    import numpy as np
    import torch
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            wide = picture.mode.startswith("I;16")
            values = np.array(picture if wide else picture.convert("L"), np.float32)
    except (UnidentifiedImageError, SyntaxError) as error:
        raise ValueError(f"{os.fspath(path)}: --importance takes a picture") from error
    return torch.from_numpy(values / (65535 if wide else 255))


@contextlib.contextmanager
def progress_bar(name: str, effort: int) -> Iterator[Callable[[float], None] | None]:
    """What to hand to `compress(progress=)`: a bar on standard error where that is a terminal and
    the effort is above 0, else None."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    if effort == 0 or not console.is_terminal:
        yield None
        return
    with Progress(console=console, transient=True) as bars:
        bar = bars.add_task(name, total=1.0)
        yield lambda done: bars.update(bar, completed=done)
