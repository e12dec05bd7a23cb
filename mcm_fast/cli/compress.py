"""The command `mcm-fast compress`. Torch is imported when it runs."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from ..limits import MAX_PIXELS
from .effort import Effort, Importance, progress_bar, read_importance
from .jobs import Attempt, run
from .options import (
    Destination,
    Device,
    Force,
    Jobs,
    MaxPixels,
    Recursive,
    SkipExisting,
    Sources,
)
from .pairs import STREAM, Kind, is_stream_name, make_folders, pairs_of
from .pool import processes_for
from .streams import check_output, read, write


@dataclass(frozen=True)
class Compression:
    """Image file -> stream, with one codec; `options` are those of `Codec.compress`."""

    model: str
    device: str
    options: dict[str, Any]
    importance: Path | None
    background: str | None
    max_pixels: int
    accept_damaged: bool
    strip: bool

    def __call__(self, source: str, target: str) -> None:
        import mcm_fast

        from ..images import DamagedImage, read_image
        from .judgement import tell_poor

        data = read(source)
        limits: dict[str, Any] = {"accept_damaged": self.accept_damaged, "strip": self.strip}
        limits["channels"] = "own"
        try:
            image, metadata = read_image(
                io.BytesIO(data), self.background, self.max_pixels, **limits
            )
        except DamagedImage as error:
            hint = "" if self.accept_damaged else "; --accept-damaged takes what there is"
            raise ValueError(f"{error}{hint}") from error
        codec = mcm_fast.load(self.model, device=self.device, max_pixels=self.max_pixels)
        importance = None if self.importance is None else read_importance(self.importance)
        with progress_bar(source, self.options["effort"]) as progress:
            more = {"importance": importance, "progress": progress}
            stream = codec.compress(image, metadata=metadata, **self.options, **more)
        write(target, stream, like=source)
        tell_poor(codec, image, stream, len(data))


TargetBpp = Annotated[
    float | None, typer.Option(help="Bits a pixel, metadata apart; not a quality.")
]
Rendering = Annotated[str, typer.Option(help="With --effort: the rendering whose pixels count.")]
Tiles = Annotated[int | None, typer.Option(help="Coding tiles' side in pixels; 0 for none.")]
Background = Annotated[
    str | None, typer.Option(help="A colour to lay transparency over, instead of keeping it.")
]
Strip = Annotated[bool, typer.Option("--strip", help="Leave metadata out; colours become sRGB.")]
AcceptDamaged = Annotated[
    bool, typer.Option("--accept-damaged", help="Take what damaged files still hold.")
]
KeepExtension = Annotated[
    bool, typer.Option("--keep-extension", help="photo.jpg becomes photo.jpg.mcm.")
]


def compress(
    sources: Sources,
    destination: Destination,
    quality: Annotated[float | None, typer.Option(help="0..100 [default: 50]")] = None,
    target_bpp: TargetBpp = None,
    model: Annotated[str, typer.Option(help="A model's name or file.")] = "small",
    effort: Effort = 0,
    importance: Importance = None,
    rendering: Rendering = "faithful",
    tiles: Tiles = None,
    device: Device = "cpu",
    background: Background = None,
    strip: Strip = False,
    accept_damaged: AcceptDamaged = False,
    recursive: Recursive = False,
    keep_extension: KeepExtension = False,
    skip_existing: SkipExisting = False,
    force: Force = False,
    jobs: Jobs = 0,
    max_pixels: MaxPixels = MAX_PIXELS,
) -> None:
    """Compress images to .mcm files.

    What a stream cannot hold of a file is noted: docs/pictures.md.
    """
    options = _aim(quality, target_bpp)
    options |= {"effort": effort, "rendering": rendering, "tiles": tiles}
    check_output(destination)
    import PIL.Image

    import mcm_fast

    from ..images import is_image_name
    from ..tensor_inputs import check_device

    kind = Kind(STREAM, is_image_name, is_stream_name, keep_extension)
    work = pairs_of(sources, destination, kind, recursive)
    PIL.Image.MAX_IMAGE_PIXELS = None  # --max-pixels decides alone
    device = str(check_device(device))
    processes = processes_for(jobs, len(work.pairs), device)
    mcm_fast.load(model, device=device, max_pixels=max_pixels)  # what is wrong with it is said once
    make_folders(work)
    job = Compression(
        model, device, options, importance, background, max_pixels, accept_damaged, strip
    )
    run(work, Attempt(job, force, skip_existing), processes)


def _aim(quality: float | None, target_bpp: float | None) -> dict[str, Any]:
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
