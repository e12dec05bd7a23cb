"""What needs no torch of the public face: a picture as an array, and what a stream says."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import container
from .container import Bytes, Stream, as_source, read_header
from .inputs import OnDamage, check_limit
from .installed import Model, load_decoder, names
from .limits import MAX_PIXELS
from .metadata import named
from .opaque import opaque
from .presets import FAITHFUL


@opaque
def imread(
    source: Bytes,
    *,
    box: tuple[int, int, int, int] | None = None,
    scale: int = 1,
    rendering: str = FAITHFUL,
    model: Model | None = None,
    threads: int | None = None,
    max_pixels: int = MAX_PIXELS,
    on_damage: OnDamage = "raise",
) -> np.ndarray:
    """The image of a stream as an array, without torch: uint8 (H, W, C), C is 1 (gray), 2 (gray and
    alpha), 3 (RGB) or 4 (RGBA), as it was compressed. Its pixels are the same on every machine.

        array = mcm_fast.imread("photo.mcm")

    Args:
        source: a path, bytes or a vector of them (uint8), or a binary file.
        box: (left, top, right, bottom), the part of the image to decode. Of a file that can seek,
            no more is read than it needs.
        scale: 1; or 8 or 16 for a preview of ceil(side / scale) pixels a side, the same for all
            renderings, in little more time than decoding takes. `box` still counts in pixels of
            the whole size.
        rendering: which of the model's renderings paints the picture.
        model: the name of an installed one, or the path of a model's or a decoder's file (`mcm-fast
            export --decoder`); the installed one that the stream names unless given.
        threads: how many to use; by default one for each core that the process may run on, and one
            in a worker of torch's DataLoader.
        max_pixels: larger images are refused, by their whole size.
        on_damage: "raise", or "blank": coding tiles that are damaged or missing become gray, with a
            warning (UserWarning) that names their boxes. The header must be whole.

    Raises BitstreamError for bytes that cannot be decoded, with their `reason`; ValueError when the
    model has no such rendering or no previews, or the box does not lie within the image; OSError
    from the disk.
    """
    opened = as_source(source)
    check_limit("max_pixels", max_pixels)
    needed = read_header(opened, max_pixels).model if model is None else model
    decoder = load_decoder(needed, threads, max_pixels=max_pixels)
    return decoder.decompress(opened, rendering, box=box, scale=scale, on_damage=on_damage)


@opaque
def info(stream: Bytes, *, verify: bool = False, partial: bool = False) -> dict[str, Any]:
    """What a stream's header says, as plain values. Of a file no more than that is read.

    `model` is the name of the installed model that it needs, or None; `model_id` names it always.
    With `verify` all of it is read, and `damaged` lists the tiles that are not whole (see
    `container.info`). With `partial` the first bytes of a stream will do: 1024 hold the header of a
    picture without tiles. Raises BitstreamError.
    """
    facts = container.info(stream, verify=verify, partial=partial)
    return {"model": names().get(facts["model_id"]), **facts}


@opaque
def read_metadata(stream: Bytes | Stream) -> dict[str, bytes]:
    """What a stream carries beside the picture: {"icc_profile": ..., "exif": ...}, as `compress`
    took it. Nothing else of it is read. Raises BitstreamError."""
    return named(stream.chunks if isinstance(stream, Stream) else container.read_chunks(stream))
