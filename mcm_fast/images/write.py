"""uint8 tensors and arrays -> image files; what a format cannot hold is told. Imports no torch."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from PIL import Image, PngImagePlugin

from ..files import write_file
from .formats import WRITTEN, Format, check_colours, format_of, writable
from .metadata import EXIF_PREFIX, density_of
from .notes import note, reason

if TYPE_CHECKING:
    import torch

# What one APP1 segment of a JPEG holds beside its length and name; Pillow writes no second.
_JPEG_LIMITS = {"exif": 65533 - len(EXIF_PREFIX), "xmp": 65533 - 29}
_TIFF_XMP = 700
_MODES = "L", "LA", "RGB", "RGBA"
_HOLD_GRAY = {"PNG", "TIFF", "JPEG", "JPEG2000", "PPM", "TGA", "SGI"}


def write_image(
    image: torch.Tensor | np.ndarray,
    target: str | os.PathLike[str] | IO[bytes],
    metadata: Mapping[str, bytes] | None = None,
    format: str | None = None,
    like: str | os.PathLike[str] | None = None,
) -> None:
    """Write a uint8 image and its metadata to a file.

    Args:
        image: a tensor (C, H, W) or an array (H, W, C); C is 1 (gray), 2 (gray and alpha), 3 (RGB)
            or 4 (RGB and alpha).
        metadata: as `read_image` returns it. What the format cannot hold is left out with a
            UserWarning, and so is told what it loses of the pixels.
        format: Pillow's name, or an extension; by default that of the file name.
        like: a file whose permissions and time the new one gets.

    A file appears whole or not at all. Raises ValueError for a format that cannot be written or
    cannot hold the image, OSError from the disk.
    """
    channels = _channels_of(image)
    format = format_of(target) if format is None else writable(format)
    is_gray = channels.shape[2] < 3 or bool((channels[..., 1:3] == channels[..., :1]).all())
    check_colours(target, is_gray)
    pixels = _pixels(channels, format)
    if is_gray and str(target).lower().endswith(".pgm"):
        pixels = pixels.convert("L")
    data = _encoded(pixels, format, dict(metadata or {}))
    if hasattr(target, "write"):
        target.write(data)
    else:
        write_file(target, data, like)


def _channels_of(image: torch.Tensor | np.ndarray) -> np.ndarray:
    """(H, W, C) of either. Raises ValueError."""
    if isinstance(image, np.ndarray):
        channels, kind = image, "(H,W,C)"
    else:
        kind = "(C,H,W)"
        channels = image.cpu().numpy()
        channels = channels.transpose(1, 2, 0) if channels.ndim == 3 else channels
    if channels.dtype != np.uint8 or channels.ndim != 3 or not 1 <= channels.shape[2] <= 4:
        found = f"{image.dtype} {tuple(image.shape)}"
        raise ValueError(f"an image is uint8 {kind} of 1 to 4 channels, not {found}")
    return channels


def _pixels(channels: np.ndarray, format: str) -> Image.Image:
    """As Pillow takes them, in a mode that the format's encoder has."""
    count = channels.shape[2]
    if count in (2, 4) and not WRITTEN[format].alpha:
        raise ValueError(f"{format} holds no transparency: PNG, WebP and TIFF do")
    mode = _MODES[count - 1]
    pixels = Image.frombytes(mode, channels.shape[1::-1], channels.tobytes())
    if mode == "LA" and format != "PNG":
        return pixels.convert("RGBA")
    return pixels.convert("RGB") if mode == "L" and format not in _HOLD_GRAY else pixels


def _encoded(pixels: Image.Image, format: str, metadata: dict[str, bytes]) -> memoryview:
    holds = WRITTEN[format]
    if holds.loses:
        note(holds.loses)
    kept = _what_fits(metadata, format, holds)
    options = dict(holds.options)
    if density := density_of(kept.get("exif", metadata.get("exif", b""))) if holds.dpi else None:
        options["dpi"] = density
    options |= _metadata_options(kept, format)
    buffer = io.BytesIO()
    try:
        pixels.save(buffer, format, **options)
    except Exception as error:  # as many kinds as encoders
        raise ValueError(f"cannot write this image as {format}: {reason(error)}") from error
    return buffer.getbuffer()


def _what_fits(metadata: dict[str, bytes], format: str, holds: Format) -> dict[str, bytes]:
    """Metadata that the format holds; notes about the rest."""
    kept = {}
    for name, content in metadata.items():
        limit = _JPEG_LIMITS.get(name, len(content)) if format == "JPEG" else len(content)
        if not getattr(holds, name, False):
            note(f"{name} is left out: {format} does not hold it")
        elif len(content) > limit:
            note(f"{name} is left out: {len(content)} bytes are more than {format} holds")
        else:
            kept[name] = content
    return kept


def _metadata_options(metadata: dict[str, bytes], format: str) -> dict[str, Any]:
    """What Pillow's encoder takes."""
    options: dict[str, Any] = {}
    if "icc_profile" in metadata:
        options["icc_profile"] = metadata["icc_profile"]
    if "exif" in metadata:
        options["exif"] = EXIF_PREFIX + metadata["exif"]
    if format == "PNG":
        options["pnginfo"] = _png_info(metadata)
    elif "xmp" in metadata and format == "TIFF":
        options |= _tiff_options(metadata)
    elif "xmp" in metadata:
        options["xmp"] = metadata["xmp"]
    return options


def _png_info(metadata: dict[str, bytes]) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    if "cicp" in metadata:
        info.add(b"cICP", metadata["cicp"])
    if "xmp" in metadata:
        info.add_itxt("XML:com.adobe.xmp", metadata["xmp"].decode("utf-8", "replace"))
    return info


def _tiff_options(metadata: dict[str, bytes]) -> dict[str, Any]:
    """Exif and XMP both as tags of the file: Pillow takes one or the other."""
    exif = Image.Exif()
    exif.load(EXIF_PREFIX + metadata.get("exif", b"")) if "exif" in metadata else None
    exif[_TIFF_XMP] = metadata["xmp"]
    return {"exif": exif}
