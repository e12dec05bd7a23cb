"""16 bits round to 8 in every mode; what has other pixels says what it is."""

import io

import numpy as np
import pytest
from pictures import png, read, saved
from PIL import Image

from mcm_fast.images import read_image

VALUES = np.array([0, 128, 129, 255, 257, 32767, 33023, 32768, 65406, 65407, 65535], np.uint16)
ROUNDED = [0, 0, 1, 1, 1, 127, 128, 128, 254, 255, 255]
pytestmark = pytest.mark.filterwarnings("ignore:16 bits a channel")


def deep(channels: int) -> np.ndarray:
    """(1, 11, channels), every channel in another order; alpha opaque."""
    planes = [np.roll(VALUES, i) for i in range(channels)]
    if channels in (2, 4):
        planes[-1][:] = 65535
    return np.stack(planes, 1)[None]


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_gray(format):
    image, _ = read_image(saved(Image.fromarray(VALUES[None]), format))
    assert image[:, 0].tolist() == [ROUNDED] * 3


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_png(channels):
    pixels, _ = read(png(deep(channels)))
    for i in range(3):
        expected = np.roll(ROUNDED, i if channels > 2 else 0)
        assert pixels[0, :, i].tolist() == expected.tolist()


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_tiff(channels, order, compression):
    tifffile = pytest.importorskip("tifffile")
    file = io.BytesIO()
    options = {"extrasamples": ["unassalpha"]} if channels == 4 else {}
    options |= {"photometric": "rgb", "compression": compression, "planarconfig": "contig"}
    tifffile.imwrite(file, deep(channels), byteorder=order, **options)
    file.seek(0)
    pixels, _ = read(file)
    for i in range(3):
        assert pixels[0, :, i].tolist() == np.roll(ROUNDED, i).tolist()


def test_pgm_and_ppm_of_16_bits():
    big = VALUES.astype(">u2").tobytes()
    pixels, _ = read(io.BytesIO(b"P5 11 1 65535 " + big))
    assert pixels[0, :, 0].tolist() == ROUNDED


def test_rounding_is_told():
    with pytest.warns(UserWarning, match="16 bits a channel are rounded to 8"):
        read_image(png(deep(3)))


def test_a_transparent_colour_of_16_bits():
    chunk = b"tRNS", deep(3)[0, 4].astype(">u2").tobytes()
    with pytest.raises(ValueError, match="background"):
        read_image(png(deep(3), chunk))
    image, _ = read_image(png(deep(3), chunk), background="#010203")
    assert image[:, 0, 4].tolist() == [1, 2, 3] and image[0, 0, 5] == ROUNDED[5]


OTHER_PIXELS = {
    "floating-point": np.ones((2, 2), np.float32),
    "32-bit or signed": np.ones((2, 2), np.int32),
}


@pytest.mark.parametrize("kind", OTHER_PIXELS)
def test_other_pixels_say_what_they_are(kind):
    with pytest.raises(ValueError, match=kind):
        read_image(saved(Image.fromarray(OTHER_PIXELS[kind]), "TIFF"))


def test_signed_pixels_say_what_they_are():
    tifffile = pytest.importorskip("tifffile")
    file = io.BytesIO()
    tifffile.imwrite(file, np.ones((2, 2), np.int16))
    file.seek(0)
    with pytest.raises(ValueError, match="32-bit or signed"):
        read_image(file)


def test_floating_point_colours_say_what_they_are():
    tifffile = pytest.importorskip("tifffile")
    file = io.BytesIO()
    tifffile.imwrite(file, np.ones((2, 2, 3), np.float32), photometric="rgb")
    file.seek(0)
    with pytest.raises(ValueError, match="not a readable image|floating-point"):
        read_image(file)
