"""Any colours to RGB: what LittleCMS converts becomes sRGB, what stays RGB carries its profile.

docs/pictures.md has the table.
"""

from __future__ import annotations

import io

from PIL import Image, ImageCms

from .coding import Coding, gamma_profile
from .notes import note, reason

# Pillow's mode of the pixels that a profile describes.
_SPACES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab": "LAB"}
_CLASSES = {"mntr", "scnr", "prtr", "spac"}


def to_rgb(
    image: Image.Image, coding: Coding | None, strip: bool = False
) -> tuple[Image.Image, dict[str, bytes]]:
    """A loaded 8-bit image of any mode -> RGB or RGBA, and `icc_profile` or `cicp` for it.

    Args:
        image: its `info` tells its profile, gAMA and cHRM.
        coding: the code points that the file names.
        strip: convert to sRGB instead of carrying a profile.
    """
    base, alpha = _parts(image)
    base, carried = _convert(base, image, coding, strip)
    if alpha is not None:
        base.putalpha(alpha)
    return base, carried


def _convert(
    base: Image.Image, image: Image.Image, coding: Coding | None, strip: bool
) -> tuple[Image.Image, dict[str, bytes]]:
    icc = image.info.get("icc_profile") or b""
    profile, mode = _opened(icc, base)
    if profile is not None:
        if mode == "RGB" and not strip:
            return base.convert("RGB"), {"icc_profile": icc} | _hdr(coding)
        return _applied(base.convert(mode), profile), {}
    if coding is not None:
        return _convert_coding(base, coding)
    named = gamma_profile(image)
    if named is not None:
        note("gAMA and cHRM are applied: the pixels are sRGB now")
        return _applied(base.convert("RGB"), _open(named)), {}
    if base.mode == "LAB":
        return _applied(base, ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))), {}
    if base.mode == "CMYK":
        note("CMYK without a usable profile: converted by the plain formula")
    return base.convert("RGB"), {}


def _convert_coding(base: Image.Image, coding: Coding) -> tuple[Image.Image, dict[str, bytes]]:
    base = base.convert("RGB")
    if not coding.full_range:
        base = base.point([round(min(max((v - 16) / 219, 0), 1) * 255) for v in range(256)] * 3)
    if coding.is_srgb:
        return base, {}
    profile = coding.profile()
    told = f"primaries {coding.primaries}, transfer {coding.transfer}"
    if profile is None:
        note(f"{told} are carried as cicp: only a viewer that reads it shows the colours right")
        return base, _hdr(coding)
    note(f"{told} are converted: the pixels are sRGB now")
    return _applied(base, _open(profile)), {}


def _hdr(coding: Coding | None) -> dict[str, bytes]:
    """`cicp` where no ICC profile can say the same."""
    if coding is None or coding.is_srgb or coding.profile() is not None:
        return {}
    if not (coding.primaries < 256 and coding.transfer < 256):
        return {}
    return {"cicp": coding.pack()}


def _parts(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Colours without alpha (L, RGB, CMYK, LAB), and alpha unless it hides nothing.

    A palette is looked up; where its colours are gray, so is the result.
    """
    alpha = None
    if image.has_transparency_data:
        image = image.convert("LA" if image.mode in ("L", "LA", "La", "1") else "RGBA")
        alpha = image.getchannel("A")
        if alpha.getextrema() == (255, 255):
            alpha = None
        image = image.convert(image.mode[:-1])
    if image.mode == "P" or image.mode == "PA":
        image = image.convert("RGB")
    if image.mode == "1":
        image = image.convert("L")
    if image.mode not in ("L", "RGB", "CMYK", "LAB"):
        image = image.convert("RGB")
    return image, alpha


def _opened(icc: bytes, base: Image.Image) -> tuple[ImageCms.ImageCmsProfile | None, str]:
    """A profile and the mode of the pixels that it describes.

    None, with a note, for one that is broken or meant for other pixels.
    """
    if not icc:
        return None, ""
    try:
        profile = _open(icc)
        space = profile.profile.xcolor_space.strip()
        if profile.profile.device_class.strip() not in _CLASSES:
            raise ValueError(f"it is of class {profile.profile.device_class!r}")
        mode = _SPACES.get(space, "")
        if mode != base.mode and not _describes(mode, base):
            raise ValueError(f"it is for {space} and the pixels are {base.mode}")
        ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        note(f"the colour profile is left out: {reason(error)}")
        return None, ""
    return profile, mode


def _describes(mode: str, base: Image.Image) -> bool:
    """An RGB profile does for gray pixels, and a gray one for RGB pixels that are all gray."""
    if mode == "RGB":
        return base.mode == "L"
    if mode == "L" and base.mode == "RGB":
        red, green, blue = base.split()
        return red.tobytes() == green.tobytes() == blue.tobytes()
    return False


def _open(icc: bytes) -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(io.BytesIO(icc))


def _applied(image: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image:
    """sRGB pixels, by LittleCMS."""
    srgb = ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(image, profile, srgb, outputMode="RGB")
    assert converted is not None  # None is for a conversion in place
    return converted
