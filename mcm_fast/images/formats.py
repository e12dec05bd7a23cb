"""Which files are read, which formats are written, and what each of them can hold."""

from __future__ import annotations

import functools
import importlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from PIL import Image

# PostScript is a program for Ghostscript to run; the next are stubs that need a handler; MCM is
# this package's own, where `mcm_fast.pillow` has been imported.
_OURS = "MCM"
_NOT_READ = {"EPS", "WMF", "BUFR", "GRIB", "HDF5", "MPEG", _OURS}
_PLUGINS = {"pillow_heif": "pillow-heif", "pillow_jxl": "pillow-jxl-plugin"}
_HEIF_BRANDS = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"}
_JXL_STARTS = (b"\xff\x0a", b"\x00\x00\x00\x0cJXL \x0d\x0a\x87\x0a")
_GRAY_ONLY = {".pgm": "gray", ".pbm": "black and white", ".pfm": "floating-point numbers"}


class NotAnImage(ValueError):
    """The bytes are of no image format that is read."""


@dataclass(frozen=True)
class Format:
    """What a written format holds beside the pixels.

    `loses` says what is lost of the pixels, "" if nothing is; `options` go to Pillow's encoder.
    """

    icc_profile: bool = False
    exif: bool = False
    xmp: bool = False
    cicp: bool = False
    dpi: bool = False
    alpha: bool = False
    loses: str = ""
    options: dict[str, Any] = field(default_factory=dict)


WRITTEN = {
    "PNG": Format(icc_profile=True, exif=True, xmp=True, cicp=True, dpi=True, alpha=True),
    "TIFF": Format(
        icc_profile=True,
        exif=True,
        xmp=True,
        dpi=True,
        alpha=True,
        options={"compression": "tiff_adobe_deflate"},
    ),
    "WEBP": Format(
        icc_profile=True,
        exif=True,
        xmp=True,
        alpha=True,
        options={"lossless": True, "exact": True},
    ),
    "JPEG": Format(
        icc_profile=True,
        exif=True,
        xmp=True,
        dpi=True,
        loses="JPEG is lossy (quality 95, full chroma)",
        options={"quality": 95, "subsampling": 0},
    ),
    "AVIF": Format(
        icc_profile=True,
        exif=True,
        xmp=True,
        alpha=True,
        loses="AVIF is lossy here (quality 90, full chroma)",
        options={"quality": 90, "subsampling": "4:4:4"},
    ),
    "BMP": Format(dpi=True),
    "DIB": Format(dpi=True),
    "JPEG2000": Format(alpha=True, options={"irreversible": False, "mct": 1}),
    "PCX": Format(dpi=True),
    "PPM": Format(),
    "QOI": Format(alpha=True),
    "SGI": Format(alpha=True),
    "TGA": Format(alpha=True),
}


@functools.cache
def readable() -> tuple[str, ...]:
    """Pillow's names of the formats that are read, those of installed plugins included."""
    Image.init()
    for module in _PLUGINS:
        try:
            plugin = importlib.import_module(module)
        except ImportError:
            continue
        if hasattr(plugin, "register_heif_opener"):
            plugin.register_heif_opener()
    return tuple(name for name in Image.OPEN if name not in _NOT_READ)


def is_image_name(path: str | os.PathLike[str]) -> bool:
    """Whether a file's name looks like that of an image that can be read."""
    formats = readable()
    suffix = Path(path).suffix.lower()
    return Image.registered_extensions().get(suffix) in formats or suffix in (
        ".heic",
        ".heif",
        ".jxl",
    )


def format_of(target: str | os.PathLike[str] | IO[bytes]) -> str:
    """Pillow's name of the format that a file name asks for. Raises ValueError."""
    suffix = "" if hasattr(target, "write") else Path(target).suffix.lower()
    return writable(Image.registered_extensions().get(suffix, ""), suffix)


def writable(format: str, asked: str | None = None) -> str:
    """Pillow's name of a format that can hold a decoded picture exactly, or says what it loses.

    `format` is Pillow's name or a file name's extension without its dot; `asked` is what the user
    wrote. Raises ValueError for any other.
    """
    name = format.upper()
    name = Image.registered_extensions().get(f".{format.lower()}", name)
    asked = asked or format
    if name in WRITTEN:
        return name
    if name in Image.SAVE and name != _OURS:
        raise ValueError(
            f"{asked!r}: {name} cannot hold the picture as it was decoded; "
            f"there are {', '.join(WRITTEN)}"
        )
    raise ValueError(f"no image format is known by the extension {asked!r}")


def check_colours(target: object, is_gray: bool) -> None:
    """ValueError for an RGB picture into a file whose name promises less, such as a .pgm."""
    suffix = "" if hasattr(target, "write") else Path(str(target)).suffix.lower()
    if suffix in _GRAY_ONLY and not (suffix == ".pgm" and is_gray):
        raise ValueError(
            f"a {suffix} file holds {_GRAY_ONLY[suffix]}, this picture has colours: use .ppm"
        )


def foreign(data: bytes) -> NotAnImage:
    """The error for bytes that no reader takes; it names the package that would read them."""
    readable()
    needed = None
    if data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS and "HEIF" not in Image.OPEN:
        needed = "HEIC", _PLUGINS["pillow_heif"]
    elif data.startswith(_JXL_STARTS) and "JXL" not in Image.OPEN:
        needed = "JPEG XL", _PLUGINS["pillow_jxl"]
    if needed:
        return NotAnImage(f"{needed[0]} is read where {needed[1]} is: pip install {needed[1]}")
    return NotAnImage("not a readable image: of no format that is read")
