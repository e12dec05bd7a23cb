"""What travels beside the pixels: Exif, XMP, density; and notes about what does not."""

from __future__ import annotations

import re
from typing import Any

from PIL import ExifTags, Image

from .notes import note
from .orientation import ORIENTATION

EXIF_PREFIX = b"Exif\x00\x00"
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 0x011A, 0x011B, 0x0128
_SUB_BLOCKS = ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo
# Of a TIFF file's own tags only these describe the picture, the others say how it is stored:
# ImageDescription, Make, Model, Software, DateTime, Artist, Copyright, the Exif and the GPS block.
_TIFF_TAGS = {270, 271, 272, 305, 306, 315, 33432, *_SUB_BLOCKS}
# What programs write for want of a density.
_NO_DENSITY = {(1, 1), (72, 72), (96, 96)}
_XMP_ORIENTATION = rb'tiff:Orientation="[0-9]"|<tiff:Orientation>[0-9]</tiff:Orientation>'
_CARRIED_TEXTS = ("XML:com.adobe.xmp", "Raw profile type exif", "Raw profile type APP1")


def metadata_of(image: Image.Image, exif: Image.Exif) -> dict[str, bytes]:
    """`exif`, from its TIFF header on and without orientation, and `xmp` of a loaded image.

    Whatever the file holds and these do not is told in a note.
    """
    _tell_the_rest(image, exif)
    found = {"exif": _exif_block(image, exif), "xmp": _xmp(image)}
    return {name: content for name, content in found.items() if content}


def density_of(exif_block: bytes) -> tuple[float, float] | None:
    """Pixels an inch of an Exif block, or None."""
    exif = Image.Exif()
    try:
        exif.load(exif_block)
        x, y = float(exif[X_RESOLUTION]), float(exif[Y_RESOLUTION])
        scale = 2.54 if exif.get(RESOLUTION_UNIT) == 3 else 1
    except Exception:  # not there, or no numbers
        return None
    return (x * scale, y * scale) if _is_density(x, y) else None


def _exif_block(image: Image.Image, exif: Image.Exif) -> bytes:
    exif.pop(ORIENTATION, None)
    if image.format == "TIFF":
        for tag in set(exif) - _TIFF_TAGS:
            del exif[tag]
    _add_density(image, exif)
    if not len(exif):
        return b""
    try:
        return exif.tobytes().removeprefix(EXIF_PREFIX)
    except Exception:  # Pillow gives up over one bad tag
        kept = _without_bad_tags(exif)
        return kept.tobytes().removeprefix(EXIF_PREFIX) if len(kept) else b""


def _without_bad_tags(exif: Image.Exif) -> Image.Exif:
    """Every tag that Pillow can write on its own; a note names the others."""
    kept, dropped = Image.Exif(), []
    kept.endian = exif.endian
    for tag in list(exif):
        if tag not in _SUB_BLOCKS:
            value = _written(exif, tag)
            if value is None:
                dropped.append(ExifTags.TAGS.get(tag, f"{tag:#06x}"))
            else:
                kept[tag] = value
            continue
        block, bad = _good_part(exif, tag)
        dropped += bad
        if block:
            kept[tag] = block
    note(f"left out of Exif, for they cannot be written again: {', '.join(dropped)}")
    return kept


def _written(exif: Image.Exif, tag: int) -> object | None:
    """The value of a tag, or None if Pillow cannot read or write it."""
    alone = Image.Exif()
    alone.endian = exif.endian
    try:
        alone[tag] = exif[tag]
        alone.tobytes()
    except Exception:
        return None
    return alone[tag]


def _good_part(exif: Image.Exif, block: int) -> tuple[dict[int, Any], list[str]]:
    """What can be written of the Exif or GPS block, and the names of the rest."""
    names = ExifTags.GPSTAGS if block == ExifTags.IFD.GPSInfo else ExifTags.TAGS
    try:
        values = dict(exif.get_ifd(block))
        if isinstance(values.get(ExifTags.IFD.Interop), int):  # an offset into the old block
            values[ExifTags.IFD.Interop] = exif.get_ifd(ExifTags.IFD.Interop)
    except Exception:
        return {}, [ExifTags.IFD(block).name]
    good, bad = {}, []
    for tag, value in values.items():
        alone = Image.Exif()
        alone[block] = {tag: value}
        try:
            alone.tobytes()
            good[tag] = value
        except Exception:
            bad.append(names.get(tag, f"{tag:#06x}"))
    return good, bad


def _add_density(image: Image.Image, exif: Image.Exif) -> None:
    """Keep the density of a file whose Exif has none."""
    try:
        x, y = (round(float(value), 2) for value in image.info["dpi"])
    except Exception:  # not there, or no numbers
        return
    if X_RESOLUTION not in exif and _is_density(x, y) and (round(x), round(y)) not in _NO_DENSITY:
        exif[X_RESOLUTION], exif[Y_RESOLUTION], exif[RESOLUTION_UNIT] = x, y, 2


def _is_density(x: float, y: float) -> bool:
    return 0 < x < 1e6 and 0 < y < 1e6


def _xmp(image: Image.Image) -> bytes:
    """The XMP packet without an orientation: the pixels are upright."""
    packet = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
    packet = packet.encode() if isinstance(packet, str) else bytes(packet)
    return re.sub(_XMP_ORIENTATION, b"", packet)


def _tell_the_rest(image: Image.Image, exif: Image.Exif) -> None:
    parts = []
    try:
        if exif.get_ifd(ExifTags.IFD.IFD1):
            parts.append("the thumbnail in Exif")
    except Exception:  # a broken one is left out too
        parts.append("the thumbnail in Exif")
    if image.info.get("comment"):
        parts.append("a comment")
    texts = [key for key in getattr(image, "text", None) or {} if key not in _CARRIED_TEXTS]
    if texts:
        parts.append(f"the texts {', '.join(sorted(texts))}")
    if image.info.get("photoshop"):
        parts.append("Photoshop's block (IPTC)")
    if parts:
        note(f"left out: {'; '.join(parts)}")
