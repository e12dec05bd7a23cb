"""Colour that a file names by numbers: cICP, nclx, gAMA and cHRM.

Code points after ITU-T H.273 (2021), tables 2 and 3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from PIL import Image

from .boxes import box_at, png_chunks
from .notes import note
from .profiles import Primaries, White, matrix_profile

_D65, _C, _DCI = (0.3127, 0.3290), (0.310, 0.316), (0.314, 0.351)
_BT709: tuple[Primaries, White] = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06)), _D65
_SMPTE170: tuple[Primaries, White] = ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070)), _D65
_P3 = (0.680, 0.320), (0.265, 0.690), (0.150, 0.060)
_UNSPECIFIED, _SRGB_CURVE = 2, 13
_PRIMARIES: dict[int, tuple[Primaries, White]] = {
    1: _BT709,
    2: _BT709,
    4: (((0.67, 0.33), (0.21, 0.71), (0.14, 0.08)), _C),
    5: (((0.64, 0.33), (0.29, 0.60), (0.15, 0.06)), _D65),
    6: _SMPTE170,
    7: _SMPTE170,
    8: (((0.681, 0.319), (0.243, 0.692), (0.145, 0.049)), _C),
    9: (((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)), _D65),
    11: (_P3, _DCI),
    12: (_P3, _D65),
    22: (((0.630, 0.340), (0.295, 0.605), (0.155, 0.077)), _D65),
}
_SRGB = 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045
_ALPHA, _BETA = 1.09929682680944, 0.018053968510807  # of BT.709 and BT.2020
_BT709_CURVE = 1 / 0.45, 1 / _ALPHA, (_ALPHA - 1) / _ALPHA, 1 / 4.5, 4.5 * _BETA
# From a value to light, as `matrix_profile` takes it. PQ, HLG and the logarithms are not here: an
# ICC profile of a plain display cannot say them.
_CURVES: Mapping[int, Sequence[float]] = {
    2: _SRGB,
    4: (2.2,),
    5: (2.8,),
    7: (1 / 0.45, 1 / 1.1115, 0.1115 / 1.1115, 1 / 4, 4 * 0.0228),
    8: (1.0,),
    13: _SRGB,
} | dict.fromkeys((1, 6, 11, 12, 14, 15), _BT709_CURVE)
# Within these a file is sRGB: programs write gAMA 45455 and rounded primaries for it.
_GAMMA_TOLERANCE, _CHROMATICITY_TOLERANCE = 0.001, 0.003


@dataclass(frozen=True)
class Coding:
    """Code points of primaries and transfer; `full_range` as in H.273."""

    primaries: int
    transfer: int
    full_range: bool = True

    @property
    def is_srgb(self) -> bool:
        """Also where a file leaves both open: sRGB is what is meant then."""
        return self.primaries in (1, _UNSPECIFIED) and self.transfer in (
            _SRGB_CURVE,
            _UNSPECIFIED,
        )

    def profile(self) -> bytes | None:
        """An ICC profile of the same colours; None where there is none."""
        if self.primaries not in _PRIMARIES or self.transfer not in _CURVES:
            return None
        return matrix_profile(*_PRIMARIES[self.primaries], _CURVES[self.transfer])

    def pack(self) -> bytes:
        """The four bytes of a cICP chunk: matrix 0 (RGB), full range."""
        return bytes((self.primaries, self.transfer, 0, 1))


def coding_of(image: Image.Image, data: bytes) -> Coding | None:
    """The code points that a file names, or None. `data` are the file's bytes."""
    if image.format == "PNG":
        return next(map(_of_png, _contents(data, b"cICP")), None)
    if image.format == "AVIF":
        colours = box_at(data, b"meta", b"iprp", b"ipco", b"colr")
        return next((_of_nclx(bytes(box)) for box in colours if bytes(box[:4]) == b"nclx"), None)
    nclx = image.info.get("nclx_profile")
    if nclx:  # as pillow-heif tells it
        return Coding(int(nclx["color_primaries"]), int(nclx["transfer_characteristics"]))
    return None


def gamma_profile(image: Image.Image) -> bytes | None:
    """The ICC profile of a PNG's gAMA and cHRM; None for sRGB or where they say nothing."""
    gamma, chromaticity = image.info.get("gamma"), image.info.get("chromaticity")
    if "srgb" in image.info or image.format != "PNG" or (gamma is None and chromaticity is None):
        return None
    primaries, white = _BT709
    if chromaticity is not None:
        white, *points = zip(chromaticity[::2], chromaticity[1::2], strict=True)
        primaries = points[0], points[1], points[2]
    is_srgb_space = _near(primaries, white)
    if is_srgb_space and (gamma is None or abs(gamma - 1 / 2.2) < _GAMMA_TOLERANCE):
        return None
    try:
        curve = _SRGB if gamma is None else (1 / gamma,)
        return matrix_profile(*(_BT709 if is_srgb_space else (primaries, white)), curve)
    except (ValueError, ZeroDivisionError) as error:
        note(f"gAMA and cHRM make no sense and are left out: {error}")
        return None


def _near(primaries: Primaries, white: White) -> bool:
    """Whether a space is sRGB's but for rounding."""
    pairs = zip((*primaries, white), (*_BT709[0], _D65), strict=True)
    distance = max(abs(a - b) for ours, theirs in pairs for a, b in zip(ours, theirs, strict=True))
    return distance < _CHROMATICITY_TOLERANCE


def _contents(data: bytes, kind: bytes) -> list[bytes]:
    return [bytes(content) for name, content in png_chunks(data) if name == kind]


def _of_png(content: bytes) -> Coding | None:
    if len(content) < 4:
        return None
    return Coding(content[0], content[1], bool(content[3]))


def _of_nclx(content: bytes) -> Coding | None:
    """The decoder has undone matrix and range: the pixels are full-range RGB."""
    if len(content) < 11:
        return None
    return Coding(int.from_bytes(content[4:6], "big"), int.from_bytes(content[6:8], "big"))
