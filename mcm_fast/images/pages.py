"""One picture of a file: pages, layers and previews beside it are told, animations refused."""

from __future__ import annotations

from PIL import Image, TiffImagePlugin

from .boxes import box_at
from .notes import note

_SUBFILE_TYPE, _OLD_SUBFILE_TYPE = 254, 255
_REDUCED = 1


def choose_page(image: Image.Image, data: bytes) -> int:
    """The frame that is the picture. Raises ValueError where there are several."""
    frames = getattr(image, "n_frames", 1)
    _tell_gain_map(image, data)
    if image.format == "TIFF":
        return _full_page(image, frames)
    sizes = image.info.get("sizes")
    if image.format in ("ICO", "ICNS") and sizes and len(sizes) > 1:
        note(f"the largest of {len(sizes)} sizes is taken")
    if frames == 1:
        return image.tell()
    if image.format == "PSD":
        note("the merged picture is taken, layers are left out")
        return image.tell()
    if image.format in ("MPO", "HEIF"):
        note(f"{frames - 1} more pictures in the file (previews, views) are left out")
        return image.tell()
    raise ValueError(f"{frames} frames or pages: only still images can be compressed")


def _full_page(image: Image.Image, frames: int) -> int:
    """The one TIFF page that is not marked as a reduced one."""
    assert isinstance(image, TiffImagePlugin.TiffImageFile)
    full = []
    for index in range(frames):
        image.seek(index)
        tags = image.tag_v2
        kind = tags.get(_SUBFILE_TYPE, 0)
        reduced = bool(kind & _REDUCED) if isinstance(kind, int) else False
        if not (reduced or tags.get(_OLD_SUBFILE_TYPE) == 2):
            full.append(index)
    if len(full) > 1:
        raise ValueError(f"{len(full)} pages: only still images can be compressed")
    if not full:
        raise ValueError("only a reduced page, as raw photographs have: develop the image first")
    if frames > 1:
        note(f"{frames - 1} pages of reduced size (thumbnails) are left out")
    return full[0]


def _tell_gain_map(image: Image.Image, data: bytes) -> None:
    xmp = image.info.get("xmp") or b""
    brands = b"".join(map(bytes, box_at(data[:4096], b"ftyp"))) if image.format == "AVIF" else b""
    auxiliary = " ".join(map(str, image.info.get("aux", {}) or {}))
    if b"hdrgm:" in (xmp.encode() if isinstance(xmp, str) else xmp):
        note("the gain map is left out: the picture is the one for a plain display")
    elif b"tmap" in brands or "gainmap" in auxiliary:
        note("the gain map is left out: the picture is the one for a plain display")
