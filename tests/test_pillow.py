"""The plugin for Pillow: its own tests of WebP, AVIF and ImageFile, rewritten for this format."""

import io
import pickle
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest
from pictures import ARTIST, LINEAR_P3, ORIENTATION, SRGB, photograph, saved
from PIL import Image, ImageChops, ImageFile, ImageStat, UnidentifiedImageError

import mcm_fast
import mcm_fast.pillow
from mcm_fast import container, images
from mcm_fast.installed import load_decoder
from mcm_fast.pillow import McmImageFile

XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF/></x:xmpmeta>'


def picture(mode: str = "RGB", size: tuple[int, int] = (64, 40)) -> Image.Image:
    image = photograph(size[1], size[0])
    if mode.endswith("A"):
        image.putalpha(Image.linear_gradient("L").resize(size))
    return image.convert(mode)


@pytest.fixture(scope="module")
def stream() -> bytes:
    return saved(picture(), "MCM").getvalue()


def reopened(image: Image.Image, **options) -> Image.Image:
    return Image.open(saved(image, "MCM", **options))


def difference(image: Image.Image, other: Image.Image) -> float:
    return max(ImageStat.Stat(ImageChops.difference(image, other)).mean)


def test_it_is_registered():
    assert Image.MIME["MCM"] == "image/x-mcm" and Image.registered_extensions()[".mcm"] == "MCM"
    assert "MCM" in Image.OPEN and "MCM" in Image.SAVE


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_read_and_write(mode):
    image = reopened(picture(mode), quality=90)
    assert (image.mode, image.size, image.format) == (mode, (64, 40), "MCM")
    assert image.get_format_mimetype() == "image/x-mcm"
    assert difference(image, picture(mode)) < 3
    if mode.endswith("A"):  # without loss
        assert image.getchannel("A").tobytes() == picture(mode).getchannel("A").tobytes()


def test_pixels_are_those_of_the_codec(stream):
    pixels = np.array(Image.open(io.BytesIO(stream)))
    assert np.array_equal(pixels, mcm_fast.imread(stream))


@pytest.mark.parametrize(
    ("mode", "becomes"),
    [("1", "L"), ("P", "RGB"), ("CMYK", "RGB"), ("YCbCr", "RGB"), ("HSV", "RGB")]
    + [("PA", "RGBA"), ("La", "LA"), ("RGBa", "RGBA")],
)
def test_other_modes_are_converted(mode, becomes):
    source = picture({"La": "LA", "RGBa": "RGBA"}.get(mode, "RGB"))
    source = source.convert(mode, dither=Image.Dither.NONE)
    image = reopened(source, quality=95)
    assert image.mode == becomes and difference(image, source.convert(becomes)) < 20


def test_a_palette_with_a_transparent_colour():
    palette = picture().convert("P")
    palette.info["transparency"] = palette.getpixel((0, 0))
    image = reopened(palette)
    assert image.mode == "RGBA" and image.getpixel((0, 0))[3] == 0


@pytest.mark.parametrize("mode", ["I;16", "I", "F"])
def test_deep_modes_are_refused(mode, tmp_path):
    path = tmp_path / "deep.mcm"
    with pytest.raises(OSError, match=f"cannot write mode {mode} as MCM"):
        Image.new(mode, (8, 8)).save(path)
    assert not path.exists()


def test_options(tmp_path):
    path = tmp_path / "a.mcm"
    picture().save(path, quality=12.5)
    assert mcm_fast.info(path.read_bytes())["quality"] == 12.5
    Image.effect_noise((96, 64), 40).save(path, target_bpp=1.0)
    assert mcm_fast.info(path.read_bytes())["bpp"] == pytest.approx(1.0, abs=0.05)
    picture().save(path, quality=50, effort=1)
    assert path.read_bytes() == mcm_fast.compress(
        images.read_image(saved(picture()))[0], quality=50, effort=1
    )
    for wrong in ({"quality": 101}, {"quality": "high"}, {"effort": 10}, {"target_bpp": -1}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            picture().save(tmp_path / "wrong.mcm", **wrong)
    assert not (tmp_path / "wrong.mcm").exists()


@pytest.mark.parametrize("as_object", [False, True])
@pytest.mark.parametrize("prefix", [b"", b"Exif\0\0"])
def test_exif(as_object, prefix):
    exif = Image.Exif()
    exif[ARTIST] = "someone"
    content = exif.tobytes().removeprefix(b"Exif\0\0")
    image = reopened(picture(), exif=exif if as_object else prefix + content)
    assert image.info["exif"] == content and image.getexif()[ARTIST] == "someone"
    assert "exif" not in reopened(image).info  # as with Pillow's own: only where it is named


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_turns_the_pixels(orientation):
    exif = Image.Exif()
    exif[ORIENTATION], exif[ARTIST] = orientation, "someone"
    image = reopened(picture(), quality=90, exif=exif)
    expected = images.orientation.upright(picture(), orientation)
    assert image.size == expected.size and difference(image, expected) < 3
    assert dict(image.getexif()) == {ARTIST: "someone"}
    assert exif[ORIENTATION] == orientation  # the caller's own


def test_exif_that_is_none():
    assert "exif" not in reopened(picture(), exif=Image.Exif()).info
    with pytest.raises(SyntaxError):
        picture().save(io.BytesIO(), "MCM", exif=b"invalid")


def test_icc_profile():
    source = picture()
    source.info["icc_profile"] = LINEAR_P3
    assert reopened(source).info["icc_profile"] == LINEAR_P3
    assert reopened(source, icc_profile=SRGB).info["icc_profile"] == SRGB
    assert "icc_profile" not in reopened(source, icc_profile=None).info
    cmyk = source.convert("CMYK")
    cmyk.info["icc_profile"] = LINEAR_P3[:16] + b"CMYK" + LINEAR_P3[20:]
    assert "icc_profile" not in reopened(cmyk).info  # its colours are gone


def test_xmp_and_cicp():
    image = reopened(picture(), xmp=XMP)
    assert image.info["xmp"] == XMP
    assert reopened(picture(), xmp=XMP.decode()).info["xmp"] == XMP
    assert "xmp" not in reopened(image).info
    cicp = reopened(picture(), cicp=bytes((9, 16, 0, 1)))
    assert cicp.info["cicp"] == bytes((9, 16, 0, 1)) == reopened(cicp).info["cicp"]


def test_a_file_by_its_path(stream, tmp_path):
    path = tmp_path / "a.MCM"
    path.write_bytes(stream)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nothing is left open
        with Image.open(path) as image:
            assert image.filename == str(path)
            image.load()
            assert image.fp is None
    again = Image.open(path).convert("L")
    again.save(tmp_path / "b.mcm")
    assert Image.open(tmp_path / "b.mcm").mode == "L"


def test_a_file_object_is_left_open(stream):
    file = io.BytesIO(stream)
    for _ in range(2):
        Image.open(file).load()
        assert not file.closed


def test_it_may_be_saved_over_itself(stream, tmp_path):
    path = tmp_path / "a.mcm"
    path.write_bytes(stream)
    with Image.open(path) as image:
        image.save(path, quality=10)
    assert len(path.read_bytes()) < len(stream)


def test_pickle_copy_crop(stream):
    image = Image.open(io.BytesIO(stream))
    other = pickle.loads(pickle.dumps(image))
    assert other.tobytes() == image.copy().tobytes() and image.crop((3, 4, 20, 30)).size == (17, 26)


def test_parser(stream):
    parser = ImageFile.Parser()
    for start in range(0, len(stream), 7):
        parser.feed(stream[start : start + 7])
    assert parser.close().tobytes() == Image.open(io.BytesIO(stream)).tobytes()


def test_what_is_no_stream():
    with pytest.raises(SyntaxError):
        McmImageFile(io.BytesIO(b"no stream at all, but long enough"))
    with pytest.raises(UnidentifiedImageError):
        Image.open(io.BytesIO(container.MAGIC + bytes(40)))
    with pytest.raises(FileNotFoundError):
        Image.open("nowhere.mcm")


def test_any_truncation(stream):
    for length in range(len(stream)):
        try:
            image = Image.open(io.BytesIO(stream[:length]))
        except UnidentifiedImageError:
            continue
        assert image.size == (64, 40)
        with pytest.raises(OSError, match="truncated"):
            image.load()


def test_draft_and_thumbnail():
    large = mcm_fast.compress(images.read_image(saved(picture(size=(320, 200))))[0])
    image = Image.open(io.BytesIO(large))
    assert image.draft("RGB", (161, 100)) is None and image.size == (320, 200)
    if 8 not in load_decoder("small").scales:
        pytest.skip("the installed decoder has no previews")
    assert image.draft("RGB", (40, 25)) == ("RGB", (0, 0, 40, 25))
    assert image.size == (40, 25) and image.draft("RGB", (2, 2)) is None
    assert np.array_equal(np.array(image), mcm_fast.imread(large, scale=8))
    small, plain = Image.open(io.BytesIO(large)), Image.open(io.BytesIO(large))
    plain.load()  # of the whole size: no preview any more
    for image in (small, plain):
        image.thumbnail((20, 20))
    assert small.size == plain.size == (20, 13) and difference(small, plain) < 8


def test_verify_and_damage(stream):
    Image.open(io.BytesIO(stream)).verify()
    damaged = bytearray(stream)
    damaged[-9] ^= 1
    with pytest.raises(OSError, match="damaged"):
        Image.open(io.BytesIO(damaged)).verify()
    with pytest.raises(OSError, match="checksum"):
        Image.open(io.BytesIO(damaged)).load()
    loaded = Image.open(io.BytesIO(stream))
    loaded.load()
    with pytest.raises(RuntimeError, match="directly after open"):
        loaded.verify()


def test_an_unknown_model(stream):
    other = container.unpack(stream)
    other.model = bytes(8)
    image = Image.open(io.BytesIO(container.pack(other)))
    with pytest.raises(OSError, match="needs model 0000000000000000"):
        image.load()


def test_decompression_bombs(stream, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 64 * 40 - 1)
    with pytest.warns(Image.DecompressionBombWarning):
        Image.open(io.BytesIO(stream)).load()
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 64 * 20 - 1)
    with pytest.raises(Image.DecompressionBombError):
        Image.open(io.BytesIO(stream))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    Image.open(io.BytesIO(stream)).load()


def test_only_one_frame(stream):
    image = Image.open(io.BytesIO(stream))
    image.seek(0)
    with pytest.raises(EOFError):
        image.seek(1)


def test_streams_are_no_pictures_to_compress(tmp_path):
    assert not images.is_image_name("a.mcm")


def test_opening_is_quick(stream, tmp_path):
    path = tmp_path / "a.mcm"
    path.write_bytes(stream)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        assert Image.open(path).size == (64, 40)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.005


def test_neither_opening_nor_loading_needs_torch(stream, tmp_path):
    (tmp_path / "a.mcm").write_bytes(stream)
    script = "import sys\nfrom PIL import Image\nimport mcm_fast.pillow\n"
    script += "image = Image.open('a.mcm')\nassert image.size == (64, 40)\nimage.load()\n"
    script += "assert image.getpixel((0, 0)) and 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)
