"""What a stream's header says, as plain values."""

from __future__ import annotations

from typing import Any

from .header import VERSION, Header, check_length, read_header
from .source import Bytes, Source, as_source
from .stream import unpack


def info(
    data: Bytes | Source,
    max_pixels: int = 2**64,
    *,
    verify: bool = False,
    partial: bool = False,
) -> dict[str, Any]:
    """Describe a stream without its model, from its header alone: plain values, fit for JSON.

    `bytes` is the whole stream, `header_bytes` what stands before chunks and tiles, `payload_bytes`
    includes exceptions and padding, `lanes` are of the largest tile; `bpp` is 8 `bytes` / (width
    height).

    Args:
        verify: read it all; `damaged` then lists the tiles that are not whole, with their boxes
            (left, top, right, bottom) in the image and what is wrong, `lost` the types of chunks.

        partial: `data` may be its first bytes alone, which hold the header.

    Raises BitstreamError; with `verify`, only where the header itself is damaged.
    """
    source = as_source(data)
    if verify and partial:
        raise ValueError("verify=True needs all of the stream: partial=True cannot be")
    header = read_header(source, max_pixels)
    if not verify and not partial:
        check_length(header, source)
    size = header.total if partial else source.size
    largest = max(header.entries, key=lambda entry: entry.body)
    facts = {
        "format": VERSION,
        "model_id": header.model.hex(),
        "width": header.width,
        "height": header.height,
        "quality": header.quality / 100,
        "transposed": header.transposed,
        "gray": header.gray,
        "tiles": len(header.entries),
        "tile_sides": None if header.sides is None else list(header.sides),
        "lanes": largest.lanes,
        "groups": largest.groups,
        "exceptions": sum(entry.exceptions for entry in header.entries),
        "chunks": dict(header.chunks),
        "bytes": size,
        "header_bytes": len(header.packed),
        "payload_bytes": sum(size for _, size in header.tile_places),
        "bpp": 8 * size / (header.width * header.height),
    }
    return facts | _verified(header, source) if verify else facts


def _verified(header: Header, source: Source) -> dict[str, Any]:
    stream = unpack(source, 2**64, keep_damaged=True)
    damaged = [
        {
            "tile": index,
            "box": list(header.tiles[index].turned(header.transposed)),
            "reason": error.reason.value,
            "message": str(error),
        }
        for index, error in stream.damage.items()
    ]
    return {"damaged": damaged, "lost": stream.lost}
