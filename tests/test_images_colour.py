"""ICC profiles of every mode against LittleCMS itself."""

import numpy as np
import pytest
from pictures import (
    BT709,
    LINEAR_P3,
    P3,
    RAMP,
    RGB,
    SRGB,
    by_littlecms,
    gray_profile,
    read,
    saved,
)
from PIL import Image

from mcm_fast.images import read_image
from mcm_fast.images.profiles import matrix_profile

LINEAR_GRAY = gray_profile(1.0)
GRAY = Image.fromarray(RAMP)
RAMP_AS_SRGB = by_littlecms(GRAY, LINEAR_GRAY)


def test_the_linear_gray_profile_is_what_it_says():
    assert RAMP_AS_SRGB[0, 64, 0] == 137


@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "WEBP", "AVIF"])
def test_rgb_profile_is_carried(format, recwarn):
    file = saved(Image.fromarray(RGB), format, icc_profile=LINEAR_P3)
    expected = np.array(Image.open(file).convert("RGB"))
    file.seek(0)
    pixels, metadata = read(file)
    assert np.array_equal(pixels, expected) and metadata == {"icc_profile": LINEAR_P3}
    assert not recwarn


@pytest.mark.parametrize("format", ["PNG", "TIFF", "JPEG"])
def test_gray_profile_is_applied(format):
    file = saved(GRAY, format, icc_profile=LINEAR_GRAY)
    expected = by_littlecms(Image.open(file), LINEAR_GRAY)
    file.seek(0)
    pixels, metadata = read(file)
    assert np.array_equal(pixels, expected) and metadata == {}


def with_alpha(value: int) -> Image.Image:
    image = GRAY.copy()
    image.putalpha(value)
    return image


def test_gray_with_alpha():
    pixels, metadata = read(saved(with_alpha(255), icc_profile=LINEAR_GRAY))
    assert np.array_equal(pixels, RAMP_AS_SRGB) and metadata == {}
    file = saved(with_alpha(128), icc_profile=LINEAR_GRAY)
    over_white, _ = read_image(file, "white")
    expected = (RAMP_AS_SRGB.astype(int) * 128 + 255 * 127) / 255
    assert np.abs(over_white.permute(1, 2, 0).numpy() - expected).max() <= 1


def test_bilevel_with_a_gray_profile():
    bits = Image.fromarray(RAMP > 127)
    pixels, metadata = read(saved(bits, icc_profile=LINEAR_GRAY))
    assert np.array_equal(pixels[..., 0], np.array(bits) * np.uint8(255)) and metadata == {}


def test_palette_with_an_rgb_profile():
    palette = Image.fromarray(RGB).quantize(8)
    pixels, metadata = read(saved(palette, icc_profile=LINEAR_P3))
    assert np.array_equal(pixels, np.array(palette.convert("RGB")))
    assert metadata == {"icc_profile": LINEAR_P3}


def test_gray_palette_with_a_gray_profile():
    palette = GRAY.convert("P")
    pixels, metadata = read(saved(palette, "TIFF", icc_profile=LINEAR_GRAY))
    assert np.array_equal(pixels, RAMP_AS_SRGB) and metadata == {}


def test_gray_with_an_rgb_profile_is_gray_in_that_space():
    pixels, metadata = read(saved(GRAY, icc_profile=LINEAR_P3))
    assert np.array_equal(pixels[..., 0], RAMP) and metadata == {"icc_profile": LINEAR_P3}


@pytest.mark.parametrize("format", ["TIFF", "JPEG"])
def test_cmyk_profile_is_applied(format, cmyk_profile):
    image = Image.fromarray(RGB.repeat(8, 0).repeat(8, 1)).convert("CMYK")
    file = saved(image, format, icc_profile=cmyk_profile)
    expected = by_littlecms(Image.open(file), cmyk_profile)
    file.seek(0)
    pixels, metadata = read(file)
    assert np.array_equal(pixels, expected) and metadata == {}


@pytest.fixture(scope="session")
def cmyk_profile():
    """A CMYK profile with a coarse table: its Lab is what a plain formula says."""
    import struct

    grid = np.stack(np.meshgrid(*[[0.0, 1.0]] * 4, indexing="ij"), -1).reshape(-1, 4)
    light = (1 - grid[:, :3]) * (1 - grid[:, 3:])
    lightness = np.round(light.mean(1) * 255)
    a = np.round(128 + 60 * (light[:, 0] - light[:, 1]))
    b = np.round(128 + 60 * (light[:, 1] - light[:, 2]))
    table = np.stack([lightness, a, b], 1).astype(np.uint8).tobytes()
    identity = bytes(range(256))
    lut = b"mft1" + bytes(4) + struct.pack(">BBBB", 4, 3, 2, 0)
    lut += struct.pack(">9i", *(65536 * (i % 4 == 0) for i in range(9)))
    lut += identity * 4 + table + identity * 3
    white = b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)
    position = 132 + 24
    header = struct.pack(
        ">I4sI4s4s4s", position + len(lut) + len(white), b"", 0x02200000, b"prtr", b"CMYK", b"Lab "
    )
    header += struct.pack(">6H4s", 2000, 1, 1, 0, 0, 0, b"acsp") + bytes(28)
    header += struct.pack(">3i", 63190, 65536, 54061)
    entries = struct.pack(">I4sII", 2, b"A2B0", position, len(lut))
    entries += struct.pack(">4sII", b"wtpt", position + len(lut), len(white))
    return header.ljust(128, b"\0") + entries + lut + white


def test_cmyk_without_a_profile_is_told():
    cmyk = Image.fromarray(RGB).convert("CMYK")
    with pytest.warns(UserWarning, match="CMYK without a usable profile"):
        pixels, metadata = read(saved(cmyk, "TIFF"))
    assert np.array_equal(pixels, np.array(cmyk.convert("RGB"))) and metadata == {}


def test_lab_is_converted():
    lab = Image.new("LAB", (2, 2), (255 * 54 // 100, 128, 128))
    pixels, _ = read(saved(lab, "TIFF"))
    assert np.ptp(pixels[0, 0].astype(int)) <= 3 and abs(int(pixels[0, 0, 0]) - 128) <= 3


FOREIGN = {
    "another space": (GRAY, SRGB[:16] + b"GRAY" + SRGB[20:]),
    "gray for RGB": (Image.fromarray(RGB), LINEAR_GRAY),
    "cut": (Image.fromarray(RGB), SRGB[:300]),
    "rubbish": (Image.fromarray(RGB), b"rubbish" * 40),
    "a link": (Image.fromarray(RGB), SRGB[:12] + b"link" + SRGB[16:]),
    "no curves": (Image.fromarray(RGB), LINEAR_P3.replace(b"rTRC", b"xxxx")),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_or_broken_profile_is_dropped_with_a_note(name):
    image, profile = FOREIGN[name]
    with pytest.warns(UserWarning, match="colour profile is left out"):
        pixels, metadata = read(saved(image, icc_profile=profile))
    assert np.array_equal(pixels, np.array(image.convert("RGB"))) and metadata == {}


def test_a_matrix_profile_of_srgb_changes_nothing():
    curve = 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045
    converted = by_littlecms(Image.fromarray(RGB), matrix_profile(*BT709, curve))
    assert np.abs(converted.astype(int) - RGB).max() <= 1


@pytest.mark.parametrize("bad", [((0.3, 0.3),) * 3, ((0.3, 0.0),) * 3, ((2.0, 0.3),) * 3])
def test_primaries_that_span_nothing_are_refused(bad):
    with pytest.raises(ValueError, match="primaries|chromaticity"):
        matrix_profile(bad, P3[1], (2.2,))
