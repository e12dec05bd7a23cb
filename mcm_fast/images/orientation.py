"""Orientation: read from Exif in any state, or from XMP, and applied to the pixels."""

from __future__ import annotations

import re

from PIL import Image, ImageOps

from .notes import note, reason

ORIENTATION = 0x0112
_RAW_PROFILES = ("Raw profile type exif", "Raw profile type APP1")
_XMP_KEYS = ("xmp", "XML:com.adobe.xmp")


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """The pixels as the photographer saw them. Keeps the `info` of the image."""
    if orientation == 1:
        return image
    only = Image.Exif()
    only[ORIENTATION] = orientation
    info, image = image.info, image.copy()
    image.info = {"exif": only.tobytes()}
    ImageOps.exif_transpose(image, in_place=True)
    image.info = info
    return image


def orientation_of(exif: Image.Exif, image: Image.Image) -> int:
    """1 to 8: what Exif says, else what XMP says, else 1."""
    return _number(exif) or _number(_exif_of_xmp(image)) or 1


def exif_of(image: Image.Image) -> Image.Exif:
    """The Exif of a loaded image. A block that cannot be read is empty and told in a note."""
    _unpack_raw_profile(image)
    try:
        return image.getexif()
    except Exception as error:  # as many kinds as there are ways to damage it
        note(f"the Exif block is left out: {reason(error)}")
        return Image.Exif()


def _number(exif: Image.Exif) -> int:
    """1 to 8, or 0 for none that makes sense."""
    try:
        value = exif.get(ORIENTATION, 0)
        value = value[0] if isinstance(value, tuple | bytes) else value
        number = int(value.strip("\0 ") if isinstance(value, str) else value)
    except Exception:  # a tag of a foreign type, or beyond the end of its block
        return 0
    return number if 1 <= number <= 8 else 0


def _exif_of_xmp(image: Image.Image) -> Image.Exif:
    """What Pillow makes of XMP alone."""
    alone = Image.new("1", (1, 1))
    alone.info = {key: image.info[key] for key in _XMP_KEYS if image.info.get(key)}
    try:
        return alone.getexif()
    except Exception:  # text where Pillow expects bytes, or the reverse
        return Image.Exif()


def _unpack_raw_profile(image: Image.Image) -> None:
    """Put ImageMagick's hexadecimal Exif of a PNG where Pillow looks for Exif.

    Pillow reads such a text too, but fails over anything behind its declared length.
    """
    if image.info.get("exif"):
        return
    for key in _RAW_PROFILES:
        match = re.match(r"\s*\w+\s+(\d+)\s+([0-9a-fA-F\s]*)", str(image.info.get(key, "")))
        if match:
            digits = "".join(match[2].split())[: 2 * int(match[1])]
            block = bytes.fromhex(digits[: len(digits) // 2 * 2])
            if block.startswith((b"Exif", b"II*\0", b"MM\0*")):
                image.info["exif"] = block
                return
