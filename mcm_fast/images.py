"""Image files as (3, height, width) tensors, and back, with their ICC profile and Exif block."""

import io
import os
import warnings
from pathlib import Path
from typing import IO

import numpy as np
import torch
from PIL import Image, ImageCms, ImageColor, ImageOps

from mcm_fast.files import write_file
from mcm_fast.inputs import check_pixels
from mcm_fast.limits import MAX_PIXELS

_EXIF_PREFIX = b"Exif\x00\x00"
_ORIENTATION = 0x0112
# Of a TIFF file's own tags only these describe the picture, the others say how it is stored:
# ImageDescription, Make, Model, Software, DateTime, Artist, Copyright, the Exif and the GPS block.
_TIFF_TAGS = {270, 271, 272, 305, 306, 315, 33432, 34665, 34853}
_SAVE_OPTIONS = {
    "JPEG": {"quality": 95, "subsampling": 0},
    "WEBP": {"lossless": True},
    "TIFF": {"compression": "tiff_adobe_deflate"},
}
_PROFILE_SPACES = {b"RGB ": "RGB", b"GRAY": "L", b"CMYK": "CMYK"}


def read_image(
    source: str | os.PathLike | IO[bytes],
    background: str | None = None,
    max_pixels: int = MAX_PIXELS,
) -> tuple[torch.Tensor, dict[str, bytes]]:
    """Return the uint8 image (3, height, width) of a file, and its chunks `iccp` and `exif`.

    Exif's orientation is applied and taken out of the block, which is stored from its TIFF header
    on. Palettes, grayscale, CMYK and 16 bits become 8-bit RGB; a profile of another colour space is
    applied, an RGB one is carried. Transparency is laid over `background`, a colour as Pillow's
    ImageColor spells it. Raises OSError when the file cannot be opened and ValueError when it is
    not one readable still image, is transparent without a background, or is larger than
    `max_pixels`, which is looked at before the pixels are.
    """
    colour = None if background is None else ImageColor.getrgb(background)[:3]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit is ours
            with Image.open(source, formats=_formats()) as image:
                check_pixels(*image.size, max_pixels)
                _refuse_animation(image)
                image.load()
                return _convert(image, colour)
    except ValueError:
        raise
    except OSError as error:
        if error.errno is not None:  # the file system's, not the decoder's
            raise
        raise ValueError(f"not a readable image: {_reason(error)}") from error
    except Exception as error:  # Pillow's decoders raise anything over damaged files
        raise ValueError(f"not a readable image: {_reason(error)}") from error


def write_image(
    image: torch.Tensor,
    target: str | os.PathLike | IO[bytes],
    chunks: dict[str, bytes] | None = None,
    format: str | None = None,
) -> None:
    """Write a uint8 image (3, height, width) and its chunks `iccp` and `exif` to a file.

    The format is Pillow's name, by default that of the file name's extension. WebP is written
    lossless, JPEG with quality 95 and full chroma. A file appears whole or not at all. Raises
    ValueError for a format that cannot be written or cannot hold the image, OSError from the disk.
    """
    if image.dtype != torch.uint8 or image.dim() != 3 or image.shape[0] != 3:
        raise ValueError(f"an image is uint8 (3,H,W), got {image.dtype} {tuple(image.shape)}")
    format = format_of(target) if format is None else format.upper()
    options = dict(_SAVE_OPTIONS.get(format, {}))
    chunks = chunks or {}
    if "iccp" in chunks:
        options["icc_profile"] = chunks["iccp"]
    if "exif" in chunks:
        options["exif"] = _EXIF_PREFIX + chunks["exif"]
    buffer = io.BytesIO()
    try:
        Image.fromarray(image.permute(1, 2, 0).contiguous().cpu().numpy()).save(
            buffer, format, **options
        )
    except Exception as error:  # as many kinds as encoders
        raise ValueError(f"cannot write this image as {format}: {_reason(error)}") from error
    if hasattr(target, "write"):
        target.write(buffer.getbuffer())
    else:
        write_file(target, buffer.getbuffer())


def format_of(target: str | os.PathLike | IO[bytes]) -> str:
    """Return Pillow's name of the format that a file name asks for. Raises ValueError."""
    suffix = "" if hasattr(target, "write") else Path(target).suffix.lower()
    format = Image.registered_extensions().get(suffix)
    if format not in Image.SAVE:
        raise ValueError(f"no image format is known by the extension {suffix!r}")
    return format


def is_image_name(path: str | os.PathLike) -> bool:
    """Whether a file's name looks like that of an image that can be read."""
    return Image.registered_extensions().get(Path(path).suffix.lower()) in _formats()


def _formats() -> list[str]:
    """Those that are read: all of Pillow's but EPS, which is a program for Ghostscript to run."""
    Image.init()
    return [name for name in Image.OPEN if name != "EPS"]


def _convert(
    image: Image.Image, colour: tuple[int, ...] | None
) -> tuple[torch.Tensor, dict[str, bytes]]:
    image, exif = _upright(image)
    profile = image.info.get("icc_profile")
    image = _flatten(_eight_bits(image), colour)
    image, profile = _to_rgb(image, profile)
    chunks = {"iccp": profile, "exif": exif}
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()
    return pixels, {name: content for name, content in chunks.items() if content}


def _refuse_animation(image: Image.Image) -> None:
    """Refuse several frames, but not MPO: a JPEG with previews of itself, from many cameras."""
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":
        raise ValueError(f"{frames} frames or pages: only still images can be compressed")


def _upright(image: Image.Image) -> tuple[Image.Image, bytes | None]:
    """Apply Exif's orientation; return the image and the rest of the block, if there is any."""
    try:
        exif = image.getexif()
        upright = ImageOps.exif_transpose(image)
        exif.pop(_ORIENTATION, None)
        if image.format == "TIFF":
            for tag in set(exif) - _TIFF_TAGS:
                del exif[tag]
        return upright, exif.tobytes().removeprefix(_EXIF_PREFIX) if len(exif) else None
    except Exception as error:  # a broken block is no reason to refuse the pixels
        warnings.warn(f"the Exif block is left out: {_reason(error)}", stacklevel=2)
        return image, None


def _eight_bits(image: Image.Image) -> Image.Image:
    """Round 16-bit grayscale to 8 bits; Pillow itself would clip it."""
    if not image.mode.startswith(("I", "F")):
        return image
    values = np.asarray(image)
    if image.mode == "F" or values.min() < 0 or values.max() > 65535:
        raise ValueError(f"pixels of mode {image.mode} beyond 16 bits: convert the image first")
    if "transparency" in image.info:
        raise ValueError("transparency in a 16-bit grayscale image: convert the image first")
    return Image.fromarray(((values.astype(np.int64) * 255 + 32767) // 65535).astype(np.uint8))


def _flatten(image: Image.Image, colour: tuple[int, ...] | None) -> Image.Image:
    """Lay a transparent image over `colour`. An alpha channel that hides nothing is dropped."""
    if not image.has_transparency_data:
        return image
    image = image.convert("RGBA")
    if image.getchannel("A").getextrema() == (255, 255):
        return image.convert("RGB")
    if colour is None:
        raise ValueError("the image is transparent: name a background colour to lay it over")
    return Image.alpha_composite(Image.new("RGBA", image.size, (*colour, 255)), image).convert(
        "RGB"
    )


def _to_rgb(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, bytes | None]:
    """Return RGB pixels and the profile that they need: none once one was applied."""
    space = _PROFILE_SPACES.get((profile or b"")[16:20])
    if space == "RGB":
        return image.convert("RGB"), profile
    if space == image.mode:
        try:
            own, srgb = (
                ImageCms.ImageCmsProfile(io.BytesIO(profile)),
                ImageCms.createProfile("sRGB"),
            )
            return ImageCms.profileToProfile(image, own, srgb, outputMode="RGB"), None
        except (ImageCms.PyCMSError, OSError) as error:
            warnings.warn(f"the colour profile is left out: {_reason(error)}", stacklevel=2)
    return image.convert("RGB"), None


def _reason(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
