"""Files of several pictures: one is taken and the rest told, or all are refused."""

import io
import struct
from types import SimpleNamespace

import numpy as np
import pytest
from pictures import RGB, as_tensor, photograph, read, saved
from PIL import Image

from mcm_fast.images import read_image
from mcm_fast.images.pages import choose_page


@pytest.mark.parametrize("format", ["PNG", "GIF", "WEBP", "TIFF", "AVIF"])
def test_animations_are_refused(format):
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    file = saved(frames[0], format, save_all=True, append_images=frames[1:])
    with pytest.raises(ValueError, match="2 (frames or )?pages"):
        read_image(file)


def test_mpo_of_a_camera_is_a_still_image():
    more = {"save_all": True, "append_images": [Image.new("L", (1, 1))]}
    with pytest.warns(UserWarning, match="1 more pictures in the file"):
        assert read_image(saved(Image.fromarray(RGB), "MPO", **more))[0].shape == (3, 5, 7)


def test_a_gain_map_is_told():
    xmp = b'<x:xmpmeta hdrgm:Version="1.0"/>'
    with pytest.warns(UserWarning, match="gain map is left out"):
        read_image(saved(photograph(), "JPEG", xmp=xmp))


def test_a_gain_map_of_avif_is_told():
    """By its brand: no encoder at hand writes such a file."""
    brands = struct.pack(">I4s4sI4s4s", 24, b"ftyp", b"avif", 0, b"mif1", b"tmap")
    image = SimpleNamespace(format="AVIF", info={}, n_frames=1, tell=lambda: 0)
    with pytest.warns(UserWarning, match="gain map is left out"):
        assert choose_page(image, brands) == 0


def pages(*kinds: int) -> io.BytesIO:
    """A TIFF of pages of those NewSubfileTypes; the first that is 0 holds RGB."""
    tifffile = pytest.importorskip("tifffile")
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for kind in kinds:
            pixels = RGB[:2, :2] if kind & 1 else RGB
            writer.write(pixels, photometric="rgb", subfiletype=kind, metadata=None)
    file.seek(0)
    return file


@pytest.mark.parametrize("kinds", [(0, 1), (1, 0), (0, 1, 1)])
def test_reduced_pages_of_a_tiff_are_told(kinds):
    with pytest.warns(UserWarning, match=f"{len(kinds) - 1} pages of reduced size"):
        assert read_image(pages(*kinds))[0].equal(as_tensor(RGB))


def test_two_full_pages_are_refused():
    with pytest.raises(ValueError, match="2 pages"):
        read_image(pages(0, 0, 1))


def test_a_raw_photograph_s_preview_is_refused():
    with pytest.raises(ValueError, match="only a reduced page, as raw photographs"):
        read_image(pages(1))


def psd(layers: int) -> io.BytesIO:
    """A PSD of RGB, and of so many empty layers."""
    height, width, _ = RGB.shape
    record = struct.pack(">4I H", 0, 0, 0, 0, 3)
    record += b"".join(struct.pack(">hI", channel, 2) for channel in range(3))
    record += b"8BIMnorm" + bytes((255, 0, 0, 0)) + struct.pack(">I", 12) + bytes(12)
    info = struct.pack(">h", layers) + record * layers + bytes(6 * layers)
    info += bytes(len(info) % 2)
    section = struct.pack(">I", len(info)) + info + struct.pack(">I", 0)
    file = b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, height, width, 8, 3) + bytes(8)
    file += struct.pack(">I", len(section)) + section + bytes(2)
    return io.BytesIO(file + RGB.transpose(2, 0, 1).tobytes())


def test_the_merged_picture_of_layers_is_taken():
    with pytest.warns(UserWarning, match="merged picture is taken"):
        assert np.array_equal(read(psd(2))[0], RGB)


def test_the_largest_of_an_icon_s_sizes_is_taken():
    file = saved(photograph(64, 64), "ICO", sizes=[(16, 16), (64, 64)])
    with pytest.warns(UserWarning, match="the largest of 2 sizes"):
        assert read_image(file, "white")[0].shape == (3, 64, 64)
