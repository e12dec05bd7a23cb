"""The command `mcm-fast export`. Torch is imported when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export(
    weights: Annotated[Path, typer.Argument(help="A run's weights.safetensors.")],
    path: Annotated[Path, typer.Argument(help="The model file to write.")],
    calibrate: Annotated[
        list[Path] | None, typer.Option(help="Training images: the tables fit their symbols.")
    ] = None,
    compact: Annotated[
        bool, typer.Option("--compact", help="Leave out floats that the integers hold.")
    ] = False,
    into: Annotated[
        Path | None, typer.Option(help="A model: it gets the synthesis of these weights.")
    ] = None,
    rendering: Annotated[
        str, typer.Option(help="With --into: what it becomes; faithful replaces the model's own.")
    ] = "perceptual",
    blend: Annotated[
        float, typer.Option(help="With --into: how far from the model's own to this, 0..1.")
    ] = 1.0,
    decoder: Annotated[
        bool,
        typer.Option(
            "--decoder",
            help="WEIGHTS is a model: write the integers that draw its pixels, at scales that "
            "fit the images of --calibrate.",
        ),
    ] = False,
) -> None:
    """Turn a training run's float weights into a model file, or into a model's rendering."""
    from ..training.checkpoint import load_weights
    from ..training.export import export, put_synthesis

    if decoder:
        from ..training.decoder import export_decoder

        if not calibrate:
            raise ValueError("--decoder needs images: name them with --calibrate")
        export_decoder(weights, path, tuple(calibrate))
    elif into is None:
        export(weights, path, tuple(calibrate or ()), compact=compact)
    else:
        put_synthesis(into, load_weights(weights), path, rendering, blend)
