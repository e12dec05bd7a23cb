"""Image files in every dress Pillow knows, to plain RGB tensors and back."""

import io
import os

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms, ImageFile

from mcm_fast.images import format_of, is_image_name, read_image, write_image

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
ORIENTATION, ARTIST, EXPOSURE_TIME = 0x0112, 0x013B, 0x829A
RGB = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)


def as_tensor(pixels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)


def saved(image: Image.Image, format: str = "PNG", **options) -> io.BytesIO:
    file = io.BytesIO()
    image.save(file, format, **options)
    file.seek(0)
    return file


def exif_of(**tags: object) -> Image.Exif:
    exif = Image.Exif()
    for tag, value in tags.items():
        exif[globals()[tag]] = value
    return exif


def loaded_exif(block: bytes) -> Image.Exif:
    exif = Image.Exif()
    exif.load(block)
    return exif


def test_plain_rgb_has_no_chunks():
    image, chunks = read_image(saved(Image.fromarray(RGB)))
    assert image.dtype == torch.uint8 and image.is_contiguous() and image.shape == (3, 5, 7)
    assert torch.equal(image, as_tensor(RGB)) and chunks == {}


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


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_orientation_is_applied_and_taken_out(orientation, format):
    exif = exif_of(ORIENTATION=orientation, ARTIST="Ada")
    exif.get_ifd(0x8769)[EXPOSURE_TIME] = 0.5
    image, chunks = read_image(saved(Image.fromarray(RGB), format, exif=exif.tobytes()))
    assert torch.equal(image, as_tensor(UPRIGHT[orientation](RGB)))
    assert list(chunks) == ["exif"] and chunks["exif"][:4] in (b"II*\0", b"MM\0*")
    kept = loaded_exif(chunks["exif"])
    assert kept[ARTIST] == "Ada" and kept.get_ifd(0x8769)[EXPOSURE_TIME] == 0.5
    assert set(kept) == {ARTIST, 0x8769}


def test_exif_of_an_orientation_alone_is_dropped():
    assert read_image(saved(Image.fromarray(RGB), exif=exif_of(ORIENTATION=6)))[1] == {}


def test_a_broken_exif_block_costs_only_itself():
    file = saved(Image.fromarray(RGB), exif=b"Exif\0\0rubbish")
    with pytest.warns(UserWarning, match="Exif block is left out"):
        image, chunks = read_image(file)
    assert torch.equal(image, as_tensor(RGB)) and chunks == {}


def test_rgb_profile_is_carried():
    image, chunks = read_image(saved(Image.fromarray(RGB), icc_profile=SRGB))
    assert torch.equal(image, as_tensor(RGB)) and chunks == {"iccp": SRGB}


def test_profile_of_another_colour_space_is_not_carried():
    fake_gray = SRGB[:16] + b"GRAY" + SRGB[20:]
    gray = Image.fromarray(RGB[..., 0])
    with pytest.warns(UserWarning, match="colour profile is left out"):
        image, chunks = read_image(saved(gray, icc_profile=fake_gray))
    assert torch.equal(image, as_tensor(RGB[..., :1].repeat(3, -1))) and chunks == {}


@pytest.mark.parametrize("space, mode", [(b"GRAY", "L"), (b"CMYK", "CMYK")])
def test_a_broken_profile_costs_only_itself(space, mode):
    image = Image.new(mode, (8, 8), 0)
    with pytest.warns(UserWarning, match="colour profile is left out"):
        found, chunks = read_image(saved(image, "TIFF", icc_profile=bytes(16) + space + bytes(200)))
    assert found.shape == (3, 8, 8) and chunks == {}


def test_postscript_is_not_run():
    """Pillow would hand it to Ghostscript."""
    program = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n%%EOF\n"
    with pytest.raises(ValueError, match="cannot identify"):
        read_image(io.BytesIO(program))
    assert not is_image_name("drawing.eps") and is_image_name("photo.jpg")


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


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_16_bit_grayscale_is_rounded_not_clipped(format):
    values = np.array([[0, 128, 129, 257, 32768, 65406, 65407, 65535]], np.uint16)
    image, _ = read_image(saved(Image.fromarray(values), format))
    assert image[:, 0].tolist() == [[0, 0, 1, 1, 128, 254, 255, 255]] * 3


def test_floating_point_pixels_are_refused():
    with pytest.raises(ValueError, match="mode F"):
        read_image(saved(Image.fromarray(np.ones((2, 2), np.float32)), "TIFF"))


@pytest.mark.filterwarnings("ignore:the colour profile")
def test_cmyk():
    cmyk = Image.fromarray(RGB).convert("CMYK")
    image, chunks = read_image(saved(cmyk, "TIFF", icc_profile=SRGB[:16] + b"CMYK" + SRGB[20:]))
    assert torch.equal(image, as_tensor(np.array(cmyk.convert("RGB")))) and chunks == {}


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


def test_alpha_that_hides_nothing_is_dropped():
    image = Image.fromarray(RGB)
    image.putalpha(255)
    assert torch.equal(read_image(saved(image))[0], as_tensor(RGB))


def test_background_must_be_a_colour():
    with pytest.raises(ValueError, match="mauvish"):
        read_image(saved(transparent("RGBA")), background="mauvish")


@pytest.mark.parametrize("format", ["PNG", "GIF", "WEBP", "TIFF"])
def test_animations_are_refused(format):
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    file = saved(frames[0], format, save_all=True, append_images=frames[1:])
    with pytest.raises(ValueError, match="2 frames or pages"):
        read_image(file)


def test_mpo_of_a_camera_is_a_still_image():
    file = saved(Image.fromarray(RGB), "MPO", save_all=True, append_images=[Image.new("L", (1, 1))])
    assert read_image(file)[0].shape == (3, 5, 7)


def test_unreadable_files(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_image(tmp_path / "missing.png")
    with pytest.raises(ValueError, match="not a readable image"):
        read_image(io.BytesIO(b"not an image"))
    whole = saved(Image.fromarray(RGB.repeat(20, 0).repeat(20, 1))).getvalue()
    with pytest.raises(ValueError, match="not a readable image"):
        read_image(io.BytesIO(whole[: len(whole) // 2]))


def test_the_limit_is_looked_at_before_the_pixels(monkeypatch):
    source = saved(Image.fromarray(RGB))
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda _: pytest.fail("they were read"))
    with pytest.raises(ValueError, match="the limit is 100 pixels"):
        read_image(source, max_pixels=100)


def test_decompression_bombs_are_refused(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(ValueError, match="not a readable image"):
        read_image(saved(Image.fromarray(RGB)))


@pytest.mark.parametrize("suffix", ["png", "tiff", "webp", "bmp", "ppm"])
def test_lossless_formats_round_trip(tmp_path, suffix):
    path = tmp_path / f"image.{suffix}"
    write_image(as_tensor(RGB), path)
    assert torch.equal(read_image(path)[0], as_tensor(RGB))
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif"])
def test_profile_and_exif_come_back(tmp_path, suffix):
    source = saved(
        Image.fromarray(RGB), icc_profile=SRGB, exif=exif_of(ARTIST="Ada", ORIENTATION=3)
    )
    image, chunks = read_image(source)
    path = tmp_path / f"image.{suffix}"
    write_image(image, path, chunks)
    again, chunks_again = read_image(path)
    assert again.shape == image.shape and chunks_again["iccp"] == SRGB
    assert loaded_exif(chunks_again["exif"])[ARTIST] == "Ada"
    if suffix != "jpg":
        assert torch.equal(again, image)


def test_writing_to_an_open_file():
    file = io.BytesIO()
    write_image(as_tensor(RGB), file, format="png")
    assert torch.equal(read_image(file)[0], as_tensor(RGB))


def test_write_image_refuses(tmp_path):
    with pytest.raises(ValueError, match="uint8"):
        write_image(torch.zeros(3, 4, 4), tmp_path / "a.png")
    with pytest.raises(ValueError, match="uint8"):
        write_image(torch.zeros(1, 4, 4, dtype=torch.uint8), tmp_path / "a.png")
    for name in "a.mcm", "a":
        with pytest.raises(ValueError, match="no image format"):
            write_image(as_tensor(RGB), tmp_path / name)
    with pytest.raises(ValueError, match="cannot write this image as JPEG"):
        write_image(as_tensor(RGB), tmp_path / "a.jpg", {"exif": bytes(2**17)})
    with pytest.raises(FileNotFoundError):
        write_image(as_tensor(RGB), tmp_path / "no" / "a.png")
    assert os.listdir(tmp_path) == []


def test_names():
    assert format_of("a/b.JPG") == "JPEG" and format_of("x.tif") == "TIFF"
    assert is_image_name("a.PNG") and not is_image_name("a.mcm") and not is_image_name("notes.txt")
