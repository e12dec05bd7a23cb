"""What a stream carries beside the picture, by the names that Pillow uses."""

from __future__ import annotations

from collections.abc import Mapping

# FORMAT.md: an RGB profile; Exif from its TIFF header on, without an orientation; an XMP packet;
# the four bytes of PNG's cICP.
TYPES = {"icc_profile": "iccp", "exif": "exif", "xmp": "xmpp", "cicp": "cicp"}
_NAMES = {kind: name for name, kind in TYPES.items()}


def named(chunks: Mapping[str, bytes]) -> dict[str, bytes]:
    """A container's chunks -> metadata. Chunks of other types keep their four letters."""
    return {_NAMES.get(kind, kind): content for kind, content in chunks.items()}
