"""The command `mcm-fast decompress`. On a CPU it needs no torch."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from ..limits import MAX_PIXELS
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
from .pairs import Kind, is_stream_name, make_folders, pairs_of
from .pool import processes_for
from .streams import PIPE, check_output, read, write

CPU = "cpu"
_COLOURS = "icc_profile", "cicp"  # without them the pixels mean something else


@dataclass(frozen=True)
class Decompression:
    """Stream -> image file. `format` is Pillow's name, or None for that of the target's name."""

    format: str | None
    model: str | None
    device: str
    rendering: str
    box: tuple[int, int, int, int] | None
    scale: int
    on_damage: str
    max_pixels: int
    strip: bool
    threads: int | None

    def __call__(self, source: str, target: str) -> None:
        from ..container import as_source, read_chunks
        from ..images import format_of, write_image
        from ..metadata import named

        format = self.format or ("PNG" if target == PIPE else format_of(target))
        stream = read(source)
        metadata = named(read_chunks(as_source(stream)))
        if self.strip:
            metadata = {name: metadata[name] for name in _COLOURS if name in metadata}
        image = self._image(stream)
        if target == PIPE:
            buffer = io.BytesIO()
            write_image(image, buffer, metadata, format)
            write(PIPE, buffer.getbuffer())
        else:
            write_image(image, target, metadata, format, None if source == PIPE else source)

    def _image(self, stream: bytes) -> Any:
        """Exact pixels where the model's decoder is installed, without torch; else a tensor."""
        import mcm_fast

        from ..container import read_header
        from ..installed import has_decoder

        options: dict[str, Any] = {"model": self.model, "box": self.box, "scale": self.scale}
        options |= {"rendering": self.rendering, "on_damage": self.on_damage}
        options["max_pixels"] = self.max_pixels
        model = self.model or read_header(stream, self.max_pixels).model
        if self.device == CPU and has_decoder(model):
            return mcm_fast.imread(stream, **options, threads=self.threads)
        return mcm_fast.decompress(stream, **options, device=self.device)


RenderingName = Annotated[str, typer.Option(help="faithful, or another of the model's.")]


def decompress(
    sources: Sources,
    destination: Destination,
    format: Annotated[
        str | None, typer.Option(help="png, jpg, ...: into a folder or - [default: png]")
    ] = None,
    rendering: RenderingName = "faithful",
    model: Annotated[
        str | None, typer.Option(help="A model's name or file, not the one that IN names.")
    ] = None,
    box: Annotated[
        str | None, typer.Option(metavar="L,T,R,B", help="The part of the image to decode.")
    ] = None,
    scale: Annotated[
        int, typer.Option(help="8 or 16: a preview, so many times smaller a side.")
    ] = 1,
    accept_damaged: Annotated[
        bool, typer.Option("--accept-damaged", help="Damaged tiles become gray.")
    ] = False,
    device: Device = CPU,
    strip: Annotated[bool, typer.Option("--strip", help="Leave Exif and XMP out.")] = False,
    recursive: Recursive = False,
    skip_existing: SkipExisting = False,
    force: Force = False,
    jobs: Jobs = 0,
    max_pixels: MaxPixels = MAX_PIXELS,
) -> None:
    """Decompress .mcm files to images.

    OUT's extension picks the format, or --format does.
    """
    check_output(destination)
    from ..images import is_image_name
    from ..images.formats import writable

    if device != CPU:
        from ..tensor_inputs import check_device

        device = str(check_device(device))
    name = None if format is None else writable(format.removeprefix("."), format)
    suffix = f".{format.removeprefix('.').lower()}" if format else ".png"
    work = pairs_of(sources, destination, Kind(suffix, is_stream_name, is_image_name), recursive)
    make_folders(work)
    damage = "blank" if accept_damaged else "raise"
    processes = processes_for(jobs, len(work.pairs), device)
    how = rendering, _box(box), scale, damage, max_pixels, strip, None if processes == 1 else 1
    job = Decompression(name, model, device, *how)
    modules = ["mcm_fast.pixel_decoder" if device == CPU else "mcm_fast.codec", "mcm_fast.images"]
    run(work, Attempt(job, force, skip_existing), processes, modules)


def _box(text: str | None) -> tuple[int, int, int, int] | None:
    """ "left,top,right,bottom" -> those numbers. Raises ValueError."""
    if text is None:
        return None
    try:
        left, top, right, bottom = (int(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"--box {text!r} is not left,top,right,bottom") from None
    return left, top, right, bottom
