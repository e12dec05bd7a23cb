"""Orientation: every value in every format, and from Exif in any state."""

import struct

import numpy as np
import pytest
from pictures import (
    ARTIST,
    EXPOSURE_TIME,
    RGB,
    exif_of,
    loaded_exif,
    photograph,
    png,
    read,
    saved,
    tiff_block,
)
from PIL import Image

UPRIGHT = {
    1: lambda p: p,
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.transpose(1, 0, 2),
    6: lambda p: p.transpose(1, 0, 2)[:, ::-1],
    7: lambda p: p[::-1, ::-1].transpose(1, 0, 2),
    8: lambda p: p.transpose(1, 0, 2)[::-1],
}
# What a lossy format may differ by on `photograph`.
FORMATS = {"PNG": 0, "TIFF": 0, "WEBP": 0, "JPEG": 6, "MPO": 6, "AVIF": 8, "HEIF": 8, "JXL": 8}
SIDEWAYS = (0x0112, 3, 1, b"\x06")
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description tiff:Orientation="6"/>'
    b"</rdf:RDF></x:xmpmeta>"
)


def in_format(image: Image.Image, format: str, exif: bytes):
    options = {"lossless": True} if format == "WEBP" else {"quality": 95}
    if format == "MPO":
        options |= {"save_all": True, "append_images": [Image.new("RGB", (8, 8))]}
    if format == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    if format == "JXL":
        pytest.importorskip("pillow_jxl")
    return saved(image, format, exif=exif, **options)


@pytest.mark.filterwarnings("ignore:1 more picture", "ignore:left out")
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_orientation_is_applied_and_taken_out(orientation, format):
    exif = exif_of(ORIENTATION=orientation, ARTIST="Ada")
    exif.get_ifd(0x8769)[EXPOSURE_TIME] = 0.5
    source = photograph(40, 64)
    pixels, metadata = read(in_format(source, format, exif.tobytes()))
    expected = UPRIGHT[orientation](np.array(source))
    assert pixels.shape == expected.shape
    assert np.abs(pixels.astype(int) - expected).max() <= FORMATS[format]
    metadata.pop("icc_profile", None)  # pillow-jxl-plugin makes one of sRGB
    assert list(metadata) == ["exif"] and metadata["exif"][:4] in (b"II*\0", b"MM\0*")
    kept = loaded_exif(metadata["exif"])
    assert kept[ARTIST] == "Ada" and kept.get_ifd(0x8769)[EXPOSURE_TIME] == 0.5
    assert set(kept) == {ARTIST, 0x8769}


def test_exif_of_an_orientation_alone_is_dropped():
    assert read(saved(Image.fromarray(RGB), exif=exif_of(ORIENTATION=6)))[1] == {}


def is_turned(pixels: np.ndarray) -> bool:
    return np.array_equal(pixels, UPRIGHT[6](RGB))


BAD_TAGS = {
    "XResolution": (0x011A, 2, 7, b"\x32\0\0\0"),  # ASCII at byte 50, where a rational belongs
    "ImageWidth": (0x0100, 2, 4, b"abc"),
    "Compression": (0x0103, 2, 4, b"abc"),
}


@pytest.mark.parametrize("name", BAD_TAGS)
def test_one_bad_tag_costs_only_itself(name):
    artist = (ARTIST, 2, 4, b"Ada")
    block = b"Exif\0\0" + tiff_block(SIDEWAYS, BAD_TAGS[name], artist, tail=b"300300\0")
    with pytest.warns(UserWarning, match=f"written again: {name}"):
        pixels, metadata = read(saved(Image.fromarray(RGB), exif=block))
    assert is_turned(pixels) and dict(loaded_exif(metadata["exif"])) == {ARTIST: "Ada"}


def test_one_bad_tag_of_gps_costs_only_itself():
    inner = struct.pack("<H", 2) + struct.pack("<HHI4s", 1, 2, 2, b"N")
    inner += struct.pack("<HHI4s", 2, 2, 4, b"abc") + bytes(4)
    block = tiff_block(SIDEWAYS, (0x8825, 4, 1, struct.pack("<I", 38)), tail=inner)
    with pytest.warns(UserWarning, match="written again: GPSLatitude$"):
        pixels, metadata = read(saved(Image.fromarray(RGB), exif=b"Exif\0\0" + block))
    assert is_turned(pixels)
    assert loaded_exif(metadata["exif"]).get_ifd(0x8825) == {1: "N"}


@pytest.mark.parametrize("tail", ["\n", "\n\0\n", "\n00ff\n", "\nzz"])
@pytest.mark.parametrize("key", ["exif", "APP1"])
def test_raw_profile_with_bytes_after_its_length(key, tail):
    block = b"Exif\0\0" + tiff_block(SIDEWAYS)
    text = f"\n{key}\n{len(block):8}\n{block.hex()}{tail}"
    chunk = b"tEXt", f"Raw profile type {key}\0{text}".encode("latin-1")
    pixels, metadata = read(png(RGB, chunk))
    assert is_turned(pixels) and metadata == {}


def test_exif_behind_the_rows_of_a_png():
    assert is_turned(read(png(RGB, behind=[(b"eXIf", tiff_block(SIDEWAYS))]))[0])


def test_xmp_alone_turns_and_is_carried_without_orientation():
    chunk = b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP
    pixels, metadata = read(png(RGB, chunk))
    assert is_turned(pixels) and list(metadata) == ["xmp"]
    assert b"Orientation" not in metadata["xmp"] and b"xmpmeta" in metadata["xmp"]


@pytest.mark.parametrize("format", ["JPEG", "WEBP", "TIFF"])
def test_xmp_of_other_formats(format):
    options = {"lossless": True} if format == "WEBP" else {}
    if format == "TIFF":
        exif = Image.Exif()
        exif[700] = XMP
        options["exif"] = exif
    else:
        options["xmp"] = XMP
    pixels, metadata = read(saved(photograph(), format, **options))
    assert pixels.shape == (160, 96, 3) and b"xmpmeta" in metadata["xmp"]


def test_broken_exif_beside_good_xmp():
    chunk = b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP
    with pytest.warns(UserWarning, match="Exif block is left out"):
        pixels, metadata = read(png(RGB, (b"eXIf", b"rubbish"), chunk))
    assert is_turned(pixels) and list(metadata) == ["xmp"]


def test_a_broken_exif_block_costs_only_itself():
    with pytest.warns(UserWarning, match="Exif block is left out"):
        pixels, metadata = read(saved(Image.fromarray(RGB), exif=b"Exif\0\0rubbish"))
    assert np.array_equal(pixels, RGB) and metadata == {}


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_orientation_that_is_none_is_none(value):
    block = tiff_block((0x0112, 3, 1, struct.pack("<H", value)))
    assert np.array_equal(read(saved(Image.fromarray(RGB), exif=b"Exif\0\0" + block))[0], RGB)


@pytest.mark.parametrize(
    "entry", [(0x0112, 4, 1, b"\x06"), (0x0112, 1, 1, b"\x06"), (0x0112, 2, 2, b"6")]
)
def test_an_orientation_of_another_type(entry):
    assert is_turned(read(saved(Image.fromarray(RGB), exif=b"Exif\0\0" + tiff_block(entry)))[0])


@pytest.mark.filterwarnings("ignore:Corrupt EXIF", "ignore:Truncated")
def test_a_block_that_ends_behind_its_orientation():
    block = b"II*\0" + struct.pack("<IH", 8, 9) + struct.pack("<HHI4s", 0x0112, 3, 1, b"\x06\0\0\0")
    assert is_turned(read(saved(Image.fromarray(RGB), exif=b"Exif\0\0" + block))[0])
