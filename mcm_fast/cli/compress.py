"""The command `mcm-fast compress`. Torch is imported when it runs."""

from __future__ import annotations

import io
from typing import Annotated

import typer

from ..limits import MAX_PIXELS
from .jobs import PIPE, check_target, jobs, read, run, write
from .options import Destination, Device, Force, MaxPixels, Sources


def compress(
    sources: Sources,
    destination: Destination,
    quality: Annotated[float | None, typer.Option(help="0..100 [default: 50]")] = None,
    target_bpp: Annotated[float | None, typer.Option(help="Bits a pixel, not a quality.")] = None,
    model: Annotated[str, typer.Option(help="A model's name or file.")] = "small",
    device: Device = "cpu",
    background: Annotated[str | None, typer.Option(help="Colour behind transparency.")] = None,
    max_pixels: MaxPixels = MAX_PIXELS,
    force: Force = False,
) -> None:
    """Compress images to .mcm files."""
    aim = _aim(quality, target_bpp)
    import PIL.Image

    import mcm_fast

    from ..images import is_image_name, read_image
    from ..inputs import check_device
    from ..metadata import named

    pairs = jobs(sources, destination, ".mcm", is_image_name)
    PIL.Image.MAX_IMAGE_PIXELS = None  # --max-pixels decides alone
    codec = mcm_fast.load(model, device=check_device(device), max_pixels=max_pixels)

    def job(source: str, target: str) -> None:
        check_target(target, force)
        file = io.BytesIO(read(source)) if source == PIPE else source
        image, chunks = read_image(file, background, max_pixels)
        write(target, codec.compress(image, metadata=named(chunks), **aim))

    run(pairs, job)


def _aim(quality: float | None, target_bpp: float | None) -> dict[str, float]:
    """Return the keyword for `Codec.compress`. Raises ValueError."""
    if quality is not None and target_bpp is not None:
        raise ValueError("--quality and --target-bpp exclude each other")
    if target_bpp is not None:
        if not 0 < target_bpp < float("inf"):
            raise ValueError(f"--target-bpp {target_bpp} is not above 0")
        return {"target_bpp": target_bpp}
    quality = 50.0 if quality is None else quality
    if not 0 <= quality <= 100:
        raise ValueError(f"--quality {quality} is not in 0..100")
    return {"quality": quality}
