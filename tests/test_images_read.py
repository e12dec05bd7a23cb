"""Reading: plain pictures of every mode, transparency, limits, what is no picture."""

import io
import sys

import numpy as np
import pytest
import torch
from pictures import RGB, SRGB, as_tensor, exif_of, photograph, png, saved
from PIL import Image, ImageFile

from mcm_fast.images import NotAnImage, is_image_name, read_image


def test_plain_rgb_has_no_metadata(recwarn):
    image, metadata = read_image(saved(Image.fromarray(RGB)))
    assert image.dtype == torch.uint8 and image.is_contiguous() and image.shape == (3, 5, 7)
    assert torch.equal(image, as_tensor(RGB)) and metadata == {} and not recwarn


def test_grayscale_and_bilevel():
    gray = as_tensor(RGB[..., :1].repeat(3, -1))
    assert torch.equal(read_image(saved(Image.fromarray(RGB[..., 0])))[0], gray)
    bits = Image.fromarray(RGB[..., 0] > 127)
    assert torch.equal(read_image(saved(bits))[0], (gray > 127).to(torch.uint8) * 255)


def test_palette():
    palette = Image.fromarray(RGB).quantize(8)
    expected = as_tensor(np.array(palette.convert("RGB")))
    assert torch.equal(read_image(saved(palette))[0], expected)
    assert torch.equal(read_image(saved(palette, "GIF"))[0], expected)


def transparent(mode: str) -> Image.Image:
    """RGB with a hole in the upper left corner."""
    if mode == "P":
        image = Image.fromarray(RGB).quantize(8)
        image.info["transparency"] = image.getpixel((0, 0))
        return image
    alpha = Image.new("L", (7, 5), 255)
    alpha.putpixel((0, 0), 0)
    image = Image.fromarray(RGB)
    image.putalpha(alpha)
    return image.convert(mode)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_needs_a_background(mode):
    image = transparent(mode)
    with pytest.raises(ValueError, match="background"):
        read_image(saved(image))
    flat, _ = read_image(saved(image), background="#0000ff")
    pixels = np.array(image.convert("RGBA"))
    pixels[pixels[..., 3] == 0] = 0, 0, 255, 255
    assert flat[:, 0, 0].tolist() == [0, 0, 255]
    assert torch.equal(flat, as_tensor(pixels[..., :3]))


def test_transparent_colour_of_rgb_needs_a_background():
    with pytest.raises(ValueError, match="background"):
        read_image(saved(Image.fromarray(RGB), transparency=tuple(map(int, RGB[0, 0]))))


def test_transparent_gray_of_few_bits_is_seen():
    """Pillow scales the pixels to 8 bits and leaves the transparent value as it was."""
    data = saved(Image.fromarray(np.zeros((2, 8), bool)), transparency=0)
    with pytest.raises(ValueError, match="background"):
        read_image(data)
    data = saved(Image.fromarray(np.ones((2, 8), bool)), transparency=1)
    with pytest.raises(ValueError, match="background"):
        read_image(data)


def test_alpha_that_hides_nothing_is_dropped():
    image = Image.fromarray(RGB)
    image.putalpha(255)
    assert torch.equal(read_image(saved(image))[0], as_tensor(RGB))


def test_background_must_be_a_colour():
    with pytest.raises(ValueError, match="mauvish"):
        read_image(saved(transparent("RGBA")), background="mauvish")


def test_postscript_is_not_run():
    """Pillow would hand it to Ghostscript."""
    program = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n%%EOF\n"
    with pytest.raises(NotAnImage):
        read_image(io.BytesIO(program))
    assert not is_image_name("drawing.eps") and is_image_name("photo.jpg")


def test_unreadable_files(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_image(tmp_path / "missing.png")
    for content in b"", b"not an image":
        with pytest.raises(NotAnImage, match="not a readable image"):
            read_image(io.BytesIO(content))


def test_the_limit_is_looked_at_before_the_pixels(monkeypatch):
    source = saved(Image.fromarray(RGB))
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda _: pytest.fail("they were read"))
    with pytest.raises(ValueError, match="the limit is 100 pixels"):
        read_image(source, max_pixels=100)


def test_decompression_bombs_are_refused(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(ValueError, match="not a readable image"):
        read_image(saved(Image.fromarray(RGB)))


def test_strip_leaves_metadata_out_and_converts_colours():
    options = {"icc_profile": SRGB, "exif": exif_of(ARTIST="Ada", ORIENTATION=6)}
    image, metadata = read_image(saved(Image.fromarray(RGB), **options), strip=True)
    assert image.shape == (3, 7, 5) and metadata == {}
    turned = as_tensor(RGB.transpose(1, 0, 2)[:, ::-1])
    assert (image.int() - turned.int()).abs().max() <= 1  # LittleCMS, from sRGB to sRGB


PLUGINS = {
    "HEIF": ("pillow_heif", "pillow-heif", "HEIC"),
    "JXL": ("pillow_jxl", "pillow-jxl-plugin", "JPEG XL"),
}


@pytest.mark.parametrize("format", PLUGINS)
def test_plugins_read_their_formats(format):
    module = pytest.importorskip(PLUGINS[format][0])
    if hasattr(module, "register_heif_opener"):
        module.register_heif_opener()
    exif = exif_of(ARTIST="Ada", ORIENTATION=6).tobytes()
    file = saved(photograph(), format, quality=95, exif=exif)
    image, metadata = read_image(file)
    assert image.shape in {(3, 160, 96), (3, 96, 160)} and b"Ada" in metadata["exif"]
    assert is_image_name("a.heic") and is_image_name("a.jxl")


@pytest.mark.parametrize("format", PLUGINS)
def test_a_missing_plugin_is_named(format, monkeypatch):
    module, package, name = PLUGINS[format]
    starts = {"HEIF": b"\0\0\0\x18ftypheic" + bytes(64), "JXL": b"\xff\x0a" + bytes(64)}
    monkeypatch.setitem(sys.modules, module, None)
    for kind in PLUGINS:
        monkeypatch.delitem(Image.OPEN, kind, raising=False)
    monkeypatch.setattr("mcm_fast.images.formats.readable", lambda: ("PNG",))
    monkeypatch.setattr("mcm_fast.images.read.readable", lambda: ("PNG",))
    with pytest.raises(NotAnImage, match=f"{name} is read where {package} is"):
        read_image(io.BytesIO(starts[format]))


def test_a_png_of_chunks_reads_as_pillow_s():
    assert torch.equal(read_image(png(RGB))[0], as_tensor(RGB))
