"""What travels beside the pixels, and notes about what does not."""

import numpy as np
import pytest
from pictures import ARTIST, RGB, exif_of, loaded_exif, photograph, png, read, saved, tiff_block
from PIL import ExifTags, Image, PngImagePlugin

from mcm_fast.images.metadata import density_of

XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'


def test_xmp_density_and_comment():
    file = saved(photograph(), "JPEG", xmp=XMP, dpi=(300, 300), comment="a comment")
    with pytest.warns(UserWarning, match="^left out: a comment$"):
        _, metadata = read(file)
    assert metadata["xmp"] == XMP and density_of(metadata["exif"]) == (300, 300)


@pytest.mark.parametrize("format", ["PNG", "TIFF", "BMP", "JPEG"])
def test_density_of_every_format(format):
    _, metadata = read(saved(photograph(), format, dpi=(300, 150)))
    assert density_of(metadata["exif"]) == pytest.approx((300, 150), abs=0.02)


@pytest.mark.parametrize("dpi", [(72, 72), (96, 96), (1, 1)])
def test_the_density_of_programs_is_none(dpi, recwarn):
    assert read(saved(photograph(), "JPEG", dpi=dpi))[1] == {} and not recwarn


def test_the_density_of_exif_stays():
    exif = exif_of(ARTIST="Ada")
    exif[0x011A], exif[0x011B], exif[0x0128] = 118.11, 118.11, 3
    _, metadata = read(saved(photograph(), "PNG", exif=exif, dpi=(200, 200)))
    assert density_of(metadata["exif"]) == pytest.approx((300, 300), abs=0.01)


@pytest.mark.parametrize("block", [b"", b"rubbish", exif_of(ARTIST="Ada").tobytes()])
def test_no_density(block):
    assert density_of(block) is None


def test_texts_of_a_png_are_named():
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Title", "a picture")
    texts.add_text("Author", "Ada")
    with pytest.warns(UserWarning, match="left out: the texts Author, Title"):
        pixels, metadata = read(saved(Image.fromarray(RGB), pnginfo=texts))
    assert np.array_equal(pixels, RGB) and metadata == {}


def test_the_thumbnail_of_exif_is_told():
    second = b"\x01\x00" + b"\x03\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00" + bytes(4)
    first = tiff_block((ARTIST, 2, 4, b"Ada"))
    block = b"Exif\0\0" + first[:-4] + len(first).to_bytes(4, "little") + second
    assert loaded_exif(block).get_ifd(ExifTags.IFD.IFD1)
    with pytest.warns(UserWarning, match="left out: the thumbnail in Exif"):
        _, metadata = read(saved(photograph(), "JPEG", exif=block))
    assert loaded_exif(metadata["exif"])[ARTIST] == "Ada"


def test_photoshop_s_block_is_told():
    data = saved(photograph(), "JPEG").getvalue()
    content = b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\0"
    segment = b"\xff\xed" + (len(content) + 2).to_bytes(2, "big") + content
    import io

    with pytest.warns(UserWarning, match="Photoshop"):
        read(io.BytesIO(data[:2] + segment + data[2:]))


def test_a_long_makernote_is_kept():
    exif = exif_of(ARTIST="Ada")
    exif.get_ifd(0x8769)[0x927C] = bytes(range(256)) * 160
    _, metadata = read(saved(photograph(), "JPEG", exif=exif))
    assert len(metadata["exif"]) > 40000


def test_xmp_as_text_of_a_png():
    chunk = b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP
    assert read(png(RGB, chunk))[1] == {"xmp": XMP}
