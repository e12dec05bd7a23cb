"""Damage inside a file is refused, or taken with a note."""

import io

import numpy as np
import pytest
from pictures import RGB, as_tensor, photograph, png, saved
from PIL import Image

from mcm_fast.images import DamagedImage, read_image

PHOTOGRAPH = np.array(photograph())


def half_scan(**options) -> bytes:
    """A JPEG whose scan was cut in half, its end marker put back."""
    data = saved(photograph(), "JPEG", **options).getvalue()
    return data[: len(data) // 2 + 300] + b"\xff\xd9"


def refused(data: bytes, match: str = "damaged") -> np.ndarray:
    """Refuses without `accept_damaged`; the pixels with it, told in a note."""
    with pytest.raises(DamagedImage, match=match):
        read_image(io.BytesIO(data))
    with pytest.warns(UserWarning, match="the rest of it is taken"):
        image, _ = read_image(io.BytesIO(data), accept_damaged=True)
    return image.permute(1, 2, 0).numpy()


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}])
def test_a_scan_that_ends_early(options):
    pixels = refused(half_scan(**options), "premature end of data")
    assert pixels.shape == PHOTOGRAPH.shape
    if not options:
        assert np.abs(pixels[:16].astype(int) - PHOTOGRAPH[:16]).max() < 20


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_a_scan_of_another_mode_that_ends_early(mode):
    data = saved(photograph().convert(mode), "JPEG").getvalue()
    with pytest.raises(DamagedImage, match="premature end"):
        read_image(io.BytesIO(data[: len(data) // 2 + 300] + b"\xff\xd9"))


@pytest.mark.parametrize("seed", range(8))
def test_a_scan_with_wrong_bytes(seed):
    random = np.random.default_rng(seed)
    noise = Image.fromarray(random.integers(0, 256, (96, 160, 3), np.uint8))
    data = bytearray(saved(noise, "JPEG").getvalue())
    data[len(data) // 2 : len(data) // 2 + 40] = random.integers(0, 255, 40, np.uint8).tobytes()
    refused(bytes(data), "Corrupt JPEG data")


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_whole_jpegs_are_not_damaged(mode, recwarn):
    for options in {}, {"progressive": True}, {"restart_marker_rows": 1}, {"quality": 1}:
        read_image(io.BytesIO(saved(photograph().convert(mode), "JPEG", **options).getvalue()))
    assert not [w for w in recwarn if "damaged" in str(w.message)]


def test_bytes_before_the_end_marker_cost_no_pixels(recwarn):
    data = saved(photograph(), "JPEG").getvalue()
    read_image(io.BytesIO(data[:-2] + bytes(100) + data[-2:] + b"what follows a JPEG"))
    assert not recwarn


@pytest.mark.parametrize("pixels", [RGB, RGB[..., :1], RGB.astype(np.uint16)])
def test_half_of_a_png_s_rows(pixels):
    refused(png(pixels, rows=3).getvalue(), "bytes of rows instead of")


def test_the_rows_of_a_png_that_are_there():
    assert np.array_equal(refused(png(RGB, rows=3).getvalue())[:3], RGB[:3])


def test_a_wrong_checksum_of_rows():
    data = bytearray(png(RGB).getvalue())
    end = data.index(b"IEND") - 8
    data[end - 1] ^= 1  # of Adler-32, behind all rows
    refused(bytes(data), "broken data stream")


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "I;16"])
@pytest.mark.filterwarnings("ignore:16 bits")
def test_whole_pngs_are_not_damaged(mode):
    image = Image.fromarray(RGB[..., 0].astype(np.uint16)) if mode == "I;16" else None
    image = image or Image.fromarray(RGB).convert(mode)
    read_image(saved(image))
    assert torch_equal_interlaced()


def torch_equal_interlaced() -> bool:
    """An interlaced PNG of five gray pixels a side, by its seven passes."""
    import struct
    import zlib

    gray = np.arange(25, dtype=np.uint8).reshape(5, 5)
    passes = (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2)
    rows = b""
    for x, y, x_step, y_step in (*passes, (0, 1, 1, 2)):
        part = gray[y::y_step, x::x_step]
        if part.size:
            rows += b"".join(b"\0" + row.tobytes() for row in part)
    file = b"\x89PNG\r\n\x1a\n"
    header = struct.pack(">IIBBBBB", 5, 5, 8, 0, 0, 0, 1)
    for name, content in (b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""):
        file += struct.pack(">I", len(content)) + name + content
        file += struct.pack(">I", zlib.crc32(name + content))
    image, _ = read_image(io.BytesIO(file))
    return np.array_equal(image[0].numpy(), gray)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "BMP", "GIF", "TGA", "PPM"])
def test_cut_files(format):
    whole = saved(Image.fromarray(RGB.repeat(20, 0).repeat(20, 1)), format).getvalue()
    assert refused(whole[: len(whole) * 2 // 3]).shape == (100, 140, 3)


@pytest.mark.parametrize("format", ["WEBP", "AVIF", "TIFF"])
def test_cut_files_of_which_nothing_is_left(format):
    options = {"compression": "tiff_adobe_deflate"} if format == "TIFF" else {}
    whole = saved(Image.fromarray(RGB.repeat(20, 0)), format, **options).getvalue()
    for accept in False, True:
        with pytest.raises(ValueError, match="not a readable image|damaged"):
            read_image(io.BytesIO(whole[: len(whole) // 2]), accept_damaged=accept)


def test_a_damaged_file_does_not_change_the_next():
    """Pillow's tolerance is a switch of the whole process."""
    refused(half_scan())
    whole = saved(photograph(), "JPEG").getvalue()
    with pytest.raises(DamagedImage):
        read_image(io.BytesIO(whole[:-200]))
    assert read_image(saved(Image.fromarray(RGB)))[0].equal(as_tensor(RGB))
