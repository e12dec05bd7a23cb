"""ICC profiles of RGB spaces that a file names by numbers instead: primaries and a curve.

A matrix profile after ICC.1:2010 (version 4.3), sections 7, 8.4, 10.5, 10.15 and 10.18. Pillow's
ImageCms makes only sRGB, XYZ and Lab.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

White = tuple[float, float]
Primaries = tuple[White, White, White]

_D50 = np.array([0.9642, 1.0, 0.8249])  # of the profile connection space
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)


def matrix_profile(primaries: Primaries, white: White, curve: Sequence[float]) -> bytes:
    """The profile of an RGB space.

    Args:
        primaries: CIE x, y of red, green and blue.
        white: CIE x, y of the white point.
        curve: from a value to light, the parameters of ICC's parametricCurveType: (g,) is
            X^g; (g, a, b, c, d) is (aX + b)^g from d on and cX below.

    Raises ValueError for primaries that span no space.
    """
    matrix = _to_d50(primaries, white)
    tags = {
        b"desc": _text("RGB by its primaries"),
        b"cprt": _text("No copyright"),
        b"wtpt": _xyz(_D50),
        b"rXYZ": _xyz(matrix[:, 0]),
        b"gXYZ": _xyz(matrix[:, 1]),
        b"bXYZ": _xyz(matrix[:, 2]),
    }
    parameters = b"".join(map(_fixed, curve))
    kind = {1: 0, 5: 3}[len(curve)]
    tags |= dict.fromkeys(
        (b"rTRC", b"gTRC", b"bTRC"), b"para" + bytes(4) + struct.pack(">HH", kind, 0) + parameters
    )
    return _assemble(tags)


def _to_d50(primaries: Primaries, white: White) -> np.ndarray:
    """The matrix from linear RGB to XYZ, adapted to D50 after Bradford: (3, 3) float64."""
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in _all_positive(*primaries)]).T
    ((x, y),) = _all_positive(white)
    white_xyz = np.array([x / y, 1, (1 - x - y) / y])
    if abs(np.linalg.det(columns)) < 1e-6:
        raise ValueError(f"primaries {primaries} span no colour space")
    matrix = columns * np.linalg.solve(columns, white_xyz)
    scale = np.diag((_BRADFORD @ _D50) / (_BRADFORD @ white_xyz))
    return np.linalg.inv(_BRADFORD) @ scale @ _BRADFORD @ matrix


def _all_positive(*points: White) -> tuple[White, ...]:
    for x, y in points:
        if not (0 <= x <= 1 and 0 < y <= 1):
            raise ValueError(f"a chromaticity of ({x}, {y})")
    return points


def _assemble(tags: dict[bytes, bytes]) -> bytes:
    """Header, tag table, and the tags, each at a multiple of 4 bytes."""
    position = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, content in tags.items():
        table += struct.pack(">4sII", name, position + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    header = struct.pack(">I4sI4s4s4s", position + len(body), bytes(4), 0x04300000, *_CLASSES)
    header += struct.pack(">6H4s", 2000, 1, 1, 0, 0, 0, b"acsp") + bytes(28)
    header += b"".join(map(_fixed, _D50))
    return header.ljust(128, b"\0") + table + body


_CLASSES = b"mntr", b"RGB ", b"XYZ "


def _fixed(value: float) -> bytes:
    """s15Fixed16Number."""
    scaled = round(value * 65536)
    if not -(2**31) <= scaled < 2**31:
        raise ValueError(f"{value} does not fit an ICC profile")
    return struct.pack(">i", scaled)


def _xyz(value: np.ndarray) -> bytes:
    return b"XYZ " + bytes(4) + b"".join(map(_fixed, value))


def _text(text: str) -> bytes:
    """multiLocalizedUnicodeType with one record."""
    content = text.encode("utf-16-be")
    return b"mluc" + bytes(4) + struct.pack(">II4sII", 1, 12, b"enUS", len(content), 28) + content
