"""Image files that tests make: pixels, Exif, PNG by chunks, ICC profiles."""

import io
import struct
import zlib

import numpy as np
import torch
from PIL import Image, ImageCms

from mcm_fast.images import read_image
from mcm_fast.images.profiles import matrix_profile

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
BT709 = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06)), (0.3127, 0.3290)
P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)), (0.3127, 0.3290)
LINEAR_P3 = matrix_profile(*P3, (1.0,))
ORIENTATION, ARTIST, EXPOSURE_TIME = 0x0112, 0x013B, 0x829A
RGB = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
RAMP = np.arange(256, dtype=np.uint8)[None]


def as_tensor(pixels: np.ndarray) -> torch.Tensor:
    """(height, width, 3) -> (3, height, width)."""
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)


def saved(image: Image.Image, format: str = "PNG", **options) -> io.BytesIO:
    file = io.BytesIO()
    image.save(file, format, **options)
    file.seek(0)
    return file


def photograph(height: int = 96, width: int = 160) -> Image.Image:
    """Something smooth, that JPEG keeps within a few levels."""
    y, x = np.mgrid[:height, :width] / max(height, width)
    return Image.fromarray(np.stack([x, y, (x + y) / 2], 2).__mul__(250).astype(np.uint8))


def read(file) -> tuple[np.ndarray, dict[str, bytes]]:
    """Pixels (height, width, 3) and metadata."""
    image, metadata = read_image(file)
    return image.permute(1, 2, 0).numpy(), metadata


def exif_of(**tags: object) -> Image.Exif:
    exif = Image.Exif()
    for tag, value in tags.items():
        exif[globals()[tag]] = value
    return exif


def loaded_exif(block: bytes) -> Image.Exif:
    exif = Image.Exif()
    exif.load(block)
    return exif


def tiff_block(*entries: tuple[int, int, int, bytes], tail: bytes = b"") -> bytes:
    """A little-endian TIFF header and directory of (tag, type, count, 4 bytes or fewer)."""
    block = b"II*\0" + struct.pack("<IH", 8, len(entries))
    for tag, kind, count, value in entries:
        block += struct.pack("<HHI4s", tag, kind, count, value.ljust(4, b"\0"))
    return block + bytes(4) + tail


def png(
    pixels: np.ndarray,
    *chunks: tuple[bytes, bytes],
    rows: int | None = None,
    behind: tuple[tuple[bytes, bytes], ...] | list[tuple[bytes, bytes]] = (),
) -> io.BytesIO:
    """A PNG of uint8 or uint16 (height, width, channels), with chunks before and behind its rows.

    `rows` are fewer than the header says.
    """
    height, width, channels = pixels.shape
    depth, kind = pixels.dtype.itemsize * 8, {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    lines = pixels.astype(pixels.dtype.newbyteorder(">"))[:rows]
    data = b"".join(b"\0" + line.tobytes() for line in lines)
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    parts = (b"IHDR", header), *chunks, (b"IDAT", zlib.compress(data)), *behind, (b"IEND", b"")
    file = b"\x89PNG\r\n\x1a\n"
    for name, content in parts:
        checksum = zlib.crc32(name + content)
        file += struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)
    return io.BytesIO(file)


def gama(gamma: float) -> tuple[bytes, bytes]:
    return b"gAMA", struct.pack(">I", round(gamma * 100000))


def chrm(primaries, white) -> tuple[bytes, bytes]:
    values = [*white, *(value for point in primaries for value in point)]
    return b"cHRM", struct.pack(">8I", *(round(value * 100000) for value in values))


def gray_profile(gamma: float) -> bytes:
    """An ICC profile of gray with a pure power."""
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))
    white = b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)
    tags = {b"kTRC": curve + bytes(2), b"wtpt": white}
    position, table, body = 132 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for name, content in tags.items():
        table += struct.pack(">4sII", name, position + len(body), len(content))
        body += content
    header = struct.pack(
        ">I4sI4s4s4s", position + len(body), b"", 0x02200000, b"mntr", b"GRAY", b"XYZ "
    )
    header += struct.pack(">6H4s", 2000, 1, 1, 0, 0, 0, b"acsp") + bytes(28)
    header += struct.pack(">3i", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + table + body


def by_littlecms(image: Image.Image, profile: bytes) -> np.ndarray:
    """The pixels in sRGB, (height, width, 3)."""
    opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    srgb = ImageCms.createProfile("sRGB")
    return np.array(ImageCms.profileToProfile(image, opened, srgb, outputMode="RGB"))
