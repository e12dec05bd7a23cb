"""Writing: every format holds the picture as decoded, says what it loses, or refuses."""

import io
import os
import warnings

import pytest
import torch
from pictures import ARTIST, LINEAR_P3, RGB, SRGB, as_tensor, exif_of, loaded_exif, saved
from PIL import Image

from mcm_fast.images import format_of, read_image, write_image
from mcm_fast.images.formats import WRITTEN
from mcm_fast.images.metadata import density_of

SUFFIXES = {
    "PNG": "png",
    "TIFF": "tif",
    "WEBP": "webp",
    "JPEG": "jpg",
    "AVIF": "avif",
    "BMP": "bmp",
    "DIB": "dib",
    "JPEG2000": "jp2",
    "PCX": "pcx",
    "PPM": "ppm",
    "QOI": "qoi",
    "SGI": "sgi",
    "TGA": "tga",
}
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'
CICP = bytes((12, 16, 0, 1))
IMAGE = as_tensor(RGB)


def density_exif() -> bytes:
    exif = exif_of(ARTIST="Ada")
    exif[0x011A], exif[0x011B], exif[0x0128] = 300, 300, 2
    return exif.tobytes().removeprefix(b"Exif\0\0")


METADATA = {"icc_profile": LINEAR_P3, "exif": density_exif(), "xmp": XMP, "cicp": CICP}


def test_every_format_is_tested():
    assert SUFFIXES.keys() == WRITTEN.keys()


@pytest.mark.parametrize("format", SUFFIXES)
def test_pixels_come_back_or_the_loss_is_told(tmp_path, format, recwarn):
    path = tmp_path / f"image.{SUFFIXES[format]}"
    write_image(IMAGE, path)
    told = [str(warning.message) for warning in recwarn]
    again = read_image(path)[0]
    assert os.listdir(tmp_path) == [path.name]
    if WRITTEN[format].loses:
        assert told == [WRITTEN[format].loses] and again.shape == IMAGE.shape
    else:
        assert torch.equal(again, IMAGE) and not told


@pytest.mark.filterwarnings("ignore:primaries 12", "ignore:JPEG is", "ignore:AVIF is")
@pytest.mark.parametrize("format", SUFFIXES)
def test_metadata_come_back_or_are_told(tmp_path, format):
    path = tmp_path / f"image.{SUFFIXES[format]}"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        write_image(IMAGE, path, METADATA)
    told = " ".join(str(warning.message) for warning in caught)
    metadata = read_image(path)[1]
    holds = WRITTEN[format]
    for name in METADATA:
        if not getattr(holds, name):
            assert f"{name} is left out: {format} does not hold it" in told
        elif name == "exif":
            assert loaded_exif(metadata["exif"])[ARTIST] == "Ada"
        else:
            assert metadata[name] == METADATA[name]
    if holds.dpi and format != "PCX":  # which Pillow writes and does not read
        assert density_of(metadata["exif"]) == pytest.approx((300, 300), abs=0.02)


@pytest.mark.parametrize("name", ["a.ico", "a.icns", "a.gif", "a.mpo", "a.msp", "a.xbm", "a.pdf"])
def test_formats_that_cannot_hold_the_picture_are_refused(tmp_path, name):
    with pytest.raises(ValueError, match="cannot hold the picture as it was decoded"):
        write_image(IMAGE, tmp_path / name)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["a.pgm", "a.pbm", "a.pfm"])
def test_files_of_less_than_colours_are_refused(tmp_path, name):
    with pytest.raises(ValueError, match=r"use \.ppm"):
        write_image(IMAGE, tmp_path / name)


def test_a_pgm_of_gray(tmp_path):
    gray = IMAGE[:1].repeat(3, 1, 1)
    write_image(gray, tmp_path / "a.pgm")
    assert (tmp_path / "a.pgm").read_bytes().startswith(b"P5")
    assert torch.equal(read_image(tmp_path / "a.pgm")[0], gray)


def test_exif_above_a_segment_is_left_out_of_jpeg_alone(tmp_path):
    exif = exif_of(ARTIST="Ada")
    exif.get_ifd(0x8769)[0x927C] = bytes(70000)
    metadata = {"exif": exif.tobytes().removeprefix(b"Exif\0\0"), "xmp": XMP}
    with pytest.warns(UserWarning, match="exif is left out: 7.... bytes are more than JPEG"):
        write_image(IMAGE, tmp_path / "a.jpg", metadata)
    assert read_image(tmp_path / "a.jpg")[1] == {"xmp": XMP}
    write_image(IMAGE, tmp_path / "a.png", metadata)
    assert len(read_image(tmp_path / "a.png")[1]["exif"]) > 70000


@pytest.mark.filterwarnings("ignore:JPEG is")
@pytest.mark.parametrize("name, limit", [("exif", 65527), ("xmp", 65504)])
def test_jpeg_s_limits_are_pillow_s(tmp_path, name, limit):
    write_image(IMAGE, tmp_path / "a.jpg", {name: b"II*\0" + bytes(limit - 4)})
    with pytest.warns(UserWarning, match=f"{name} is left out"):
        write_image(IMAGE, tmp_path / "a.jpg", {name: b"II*\0" + bytes(limit - 3)})


def test_a_large_profile_fits_a_jpeg(tmp_path):
    profile = SRGB + bytes(200000)
    write_image(IMAGE, tmp_path / "a.jpg", {"icc_profile": profile})
    with Image.open(tmp_path / "a.jpg") as back:
        assert back.info["icc_profile"] == profile


def test_writing_to_an_open_file():
    file = io.BytesIO()
    write_image(IMAGE, file, format="png")
    assert torch.equal(read_image(file.getvalue() and io.BytesIO(file.getvalue()))[0], IMAGE)


def test_write_image_refuses(tmp_path):
    import mcm_fast.pillow  # noqa: F401 (by which Pillow knows .mcm, too)

    with pytest.raises(ValueError, match="uint8"):
        write_image(torch.zeros(3, 4, 4), tmp_path / "a.png")
    with pytest.raises(ValueError, match="uint8"):
        write_image(torch.zeros(5, 4, 4, dtype=torch.uint8), tmp_path / "a.png")
    for name in "a.mcm", "a":
        with pytest.raises(ValueError, match="no image format"):
            write_image(IMAGE, tmp_path / name)
    with pytest.raises(FileNotFoundError):
        write_image(IMAGE, tmp_path / "no" / "a.png")
    assert os.listdir(tmp_path) == []


def test_the_encoder_s_own_limits_are_a_value_error(tmp_path):
    wide = torch.zeros(3, 1, 16384, dtype=torch.uint8)  # WebP ends at 16383
    with pytest.raises(ValueError, match="cannot write this image as WEBP"):
        write_image(wide, tmp_path / "a.webp")
    assert os.listdir(tmp_path) == []


def test_format_of():
    assert format_of("a/b.JPG") == "JPEG" and format_of("x.tif") == "TIFF"


def test_profile_and_exif_come_back(tmp_path):
    exif = exif_of(ARTIST="Ada", ORIENTATION=3)
    image, metadata = read_image(saved(Image.fromarray(RGB), icc_profile=SRGB, exif=exif))
    for suffix in "png", "webp", "tif":
        write_image(image, tmp_path / f"a.{suffix}", metadata)
        again, metadata_again = read_image(tmp_path / f"a.{suffix}")
        assert torch.equal(again, image) and metadata_again["icc_profile"] == SRGB
        assert loaded_exif(metadata_again["exif"])[ARTIST] == "Ada"


@pytest.mark.filterwarnings("ignore:AVIF is", "ignore:JPEG is")
@pytest.mark.parametrize("format", SUFFIXES)
@pytest.mark.parametrize("channels", [1, 2, 4])
def test_gray_and_alpha_come_back_or_are_refused(tmp_path, format, channels):
    alpha = IMAGE[:1].flip(1)
    image = {1: IMAGE[:1], 2: torch.cat([IMAGE[:1], alpha]), 4: torch.cat([IMAGE, alpha])}[channels]
    path = tmp_path / f"image.{SUFFIXES[format]}"
    if channels != 1 and not WRITTEN[format].alpha:
        with pytest.raises(ValueError, match="holds no transparency"):
            write_image(image, path)
        return
    write_image(image, path)
    again = read_image(path, channels="own")[0]
    assert again.shape == image.shape or (format == "AVIF" and channels == 2)
    if not WRITTEN[format].loses:
        assert torch.equal(again, image)
