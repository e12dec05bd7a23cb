"""The command `mcm-fast decompress`. Torch is imported when it runs."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from ..limits import MAX_PIXELS
from .jobs import PIPE, check_target, is_stream_name, jobs, read, run
from .options import Destination, Device, Force, MaxPixels, Sources


def decompress(
    sources: Sources,
    destination: Destination,
    rendering: Annotated[str, typer.Option(help="faithful, or another of the model's.")] = (
        "faithful"
    ),
    model: Annotated[
        str | None, typer.Option(help="A model's name or file, not the one that IN names.")
    ] = None,
    device: Device = "cpu",
    max_pixels: MaxPixels = MAX_PIXELS,
    force: Force = False,
) -> None:
    """Decompress .mcm files to images.

    OUT's extension picks the format. Into a folder or - it is PNG.
    """
    import mcm_fast

    from ..container import unpack
    from ..images import format_of, write_image
    from ..inputs import check_device

    device = str(check_device(device))

    def job(source: str, target: str) -> None:
        check_target(target, force)
        format = "PNG" if target == PIPE else format_of(target)
        stream = unpack(read(source), max_pixels)
        options = {"model": model, "device": device, "rendering": rendering}
        image = mcm_fast.decompress(stream, **options, max_pixels=max_pixels)
        write_image(image, sys.stdout.buffer if target == PIPE else target, stream.chunks, format)

    run(jobs(sources, destination, ".png", is_stream_name), job)
