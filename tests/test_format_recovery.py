"""The promise: what goes in comes out. Any stream, any channels, any tiles, any part."""

import dataclasses
import io

import numpy as np
import pytest
import torch
from conftest import noise
from format_streams import assert_same, stream_of_everything
from hypothesis import given, settings
from hypothesis import strategies as st

import mcm_fast
from mcm_fast import alpha, container
from mcm_fast.channels import gray_of, smooth
from mcm_fast.coding_tiles import Tile, count
from mcm_fast.container import Stream, pack, unpack
from mcm_fast.errors import BitstreamError
from mcm_fast.exact.engine import Coded
from mcm_fast.tiled import join_parameters, seen_by_entropy_model, sides_for

LETTERS = "abcdefghijklmnopqrstuvwxyz"
CHUNK_TYPES = st.builds(
    str.__add__,
    st.sampled_from(LETTERS),
    st.text(LETTERS + LETTERS.upper(), min_size=3, max_size=3),
)


@st.composite
def tiles(draw: st.DrawFn) -> Coded:
    log_lanes = draw(st.integers(0, 5))
    groups = 1 << (draw(st.integers(0, 2)) if log_lanes == 5 else 0)
    lanes = 1 << log_lanes
    words = draw(st.lists(st.integers(0, 200), min_size=groups, max_size=groups))
    byte = draw(st.integers(0, 255))
    segments = [bytes([byte]) * (4 * lanes + 2 * n) for n in words]
    pairs = st.integers(0, 2**32 - 1), st.integers(-32768, 32767).filter(bool)
    exceptions = draw(st.dictionaries(*pairs, max_size=8))
    indexes = sorted(exceptions)
    differences = np.array([exceptions[i] for i in indexes], np.int16)
    return Coded(lanes, groups, np.array(indexes, np.int64), differences, segments)


@st.composite
def streams(draw: st.DrawFn) -> Stream:
    width, height = draw(st.integers(1, 2**32 - 1)), 1
    if width < 2**14:
        height = draw(st.integers(1, 2**14))
    transposed, sides = draw(st.booleans()), None
    size = (height, width) if transposed else (width, height)
    if draw(st.booleans()):
        sides = tuple(64 * -(-side // (64 * draw(st.integers(1, 3)))) for side in size)
        sides = sides if count(*size, sides) > 1 else None
    number = count(*size, sides)
    return Stream(
        draw(st.binary(min_size=8, max_size=8)),
        draw(st.integers(0, 10000)),
        width,
        height,
        transposed,
        [draw(tiles()) for _ in range(number)],
        draw(st.dictionaries(CHUNK_TYPES, st.binary(max_size=200), max_size=3)),
        draw(st.booleans()),
        sides,
        draw(st.none() | st.lists(st.binary(max_size=50), min_size=number, max_size=number)),
    )


@settings(max_examples=100, deadline=None)
@given(streams())
def test_any_stream(stream):
    data = pack(stream)
    back = unpack(data, max_pixels=2**64)
    assert_same(back, stream)
    assert pack(back) == data and container.info(data)["bytes"] == stream.header.total == len(data)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 15))
def test_any_bytes_give_a_stream_or_bitstream_error(tail, flags):
    from hostile import repaired

    data = repaired(b"MCM\x1a\x01" + bytes([flags]) + bytes(10) + tail)
    try:
        stream = unpack(data)
    except BitstreamError:
        return
    assert pack(stream) == data


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1), st.sampled_from("rns"))
def test_any_alpha(height, width, seed, kind):
    generator = torch.Generator().manual_seed(seed)
    plane = torch.randint(0, 256, (height, width), generator=generator)
    if kind == "r":
        plane = torch.arange(height)[:, None] * 3 + torch.arange(width)
    elif kind == "s":
        plane = plane // 200 * 255
    plane = plane.to(torch.uint8).numpy()
    assert (alpha.decompress(alpha.compress(plane), height, width) == plane).all()


def test_every_filter_of_png_is_read():
    """Rows of each filter, against their definition."""
    import zlib

    import second_reader

    generator = torch.Generator().manual_seed(1)
    rows = torch.randint(0, 256, (25, 10), generator=generator, dtype=torch.uint8)
    rows[:, 0] = torch.arange(25) % 5
    data = zlib.compress(rows.numpy().tobytes())
    expected = second_reader.unfiltered(second_reader.Tile(0, 0, 9, 25, alpha=data))
    assert (alpha.decompress(data, 25, 9) == expected).all()


@pytest.mark.parametrize("tiles", [0, 64, 128])
@pytest.mark.parametrize("size", [(1, 1), (70, 150), (200, 65)], ids=str)
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_channels_and_tiles(codec, channels, size, tiles):
    image = noise(*size).repeat(2, 1, 1)[:channels]
    stream = codec.compress(image, 60, tiles=tiles)
    latents, found = codec.decode(stream), codec.decompress(stream)
    assert found.shape == image.shape and found.dtype == torch.uint8
    assert latents == codec.analysis(image, 60, tiles)
    assert (latents.sides is not None) == (0 < tiles < max(size)) and latents.gray == (channels < 3)
    colours = channels - (channels % 2 == 0)
    assert torch.equal(codec.synthesis(latents), found[:colours])
    assert torch.equal(found[colours:], image[colours:])
    if channels % 2:
        assert codec.encode(latents) == stream
    other = container.unpack(stream)
    assert torch.equal(codec.decompress(other), found) and pack(other) == stream


def test_tiles_do_not_show(codec):
    """Equal latents are equal pictures, however they are cut."""
    latents = codec.analysis(noise(200, 330), 60, tiles=0)
    whole = codec.synthesis(latents)
    for sides in (64, 64), (128, 64), (192, 192):
        cut = dataclasses.replace(latents, sides=sides)
        assert torch.equal(codec.decompress(codec.encode(cut)), whole)


def test_the_entropy_model_sees_no_further(codec):
    """Of a window, to the bit."""
    latents = codec.analysis(noise(400, 500), 60)
    whole = codec.engine.parameters(latents.y, latents.z, 6000)
    for window in Tile(160, 176, 320, 192), Tile(0, 0, 16, 16), Tile(208, 144, 500, 400):
        seen = seen_by_entropy_model(window, 500, 400)
        (rows, columns), (rows_z, columns_z) = seen.latents(), seen.latents(64)
        y, z = latents.y[:, rows, columns], latents.z[:, rows_z, columns_z]
        part = join_parameters([codec.engine.parameters(y, z, 6000)], [seen], window)
        expected = join_parameters([whole], [Tile(0, 0, 500, 400)], window)
        for name in ("mu", "indexes", "hyper"):
            assert torch.equal(getattr(part, name), getattr(expected, name)), (window, name)


def test_tiles_are_coded_alike_by_every_engine(codec, reference):
    image = noise(70, 130)
    assert codec.compress(image, tiles=64) == reference.compress(image, tiles=64)
    stream = codec.compress(image, tiles=64)
    assert reference.decode(stream) == codec.decode(stream)


def test_gray_is_exactly_gray(codec):
    """Of the colours that the synthesis gives, by FORMAT.md's formula."""
    stream = codec.compress(noise(40, 50)[:1], 40)
    opened = container.unpack(stream)
    opened.gray = False
    assert torch.equal(codec.decompress(stream), gray_of(codec.decompress(opened)))
    same = torch.arange(256, dtype=torch.uint8).expand(3, 1, 256)
    assert torch.equal(gray_of(same), same[:1])
    image = torch.tensor([10, 200, 33], dtype=torch.uint8)[:, None, None]
    assert gray_of(image).item() == (77 * 10 + 150 * 200 + 29 * 33 + 128) // 256


def test_colours_under_full_transparency_do_not_matter(codec):
    image = torch.cat((noise(96, 96) // 8 + 100, torch.full((1, 96, 96), 255, dtype=torch.uint8)))
    image[3, :, 48:] = 0
    hidden = image.clone()
    image[:3, :, 48:] = noise(96, 48)
    hidden[:3, :, 48:] = 7
    assert codec.compress(hidden) == codec.compress(image)
    assert torch.equal(codec.decompress(codec.compress(image))[3], image[3])
    everything = torch.zeros(4, 20, 20, dtype=torch.uint8)
    assert codec.decompress(codec.compress(everything)).shape == (4, 20, 20)


def test_smoothing_leaves_what_is_seen():
    image = noise(33, 21)
    hidden = noise(33, 21)[0] < 100
    filled = smooth(image, hidden)
    assert torch.equal(filled[:, ~hidden], image[:, ~hidden])
    assert smooth(image, torch.zeros_like(hidden)) is image
    floats = smooth(image.float() / 255, hidden)
    assert (floats * 255).sub(filled).abs().max() <= 0.51


def test_float_alpha_is_rounded(codec):
    image = torch.rand(4, 20, 30, generator=torch.Generator().manual_seed(0))
    found = codec.decompress(codec.compress(image))[3]
    assert torch.equal(found, (image[3] * 255).round().to(torch.uint8))


def test_metadata(codec):
    metadata = {"icc_profile": b"i", "exif": b"II*\0", "xmp": b"<x/>", "cicp": bytes([1, 13, 0, 1])}
    stream = codec.compress(noise(100, 70), metadata=metadata, tiles=64)
    assert mcm_fast.read_metadata(stream) == mcm_fast.read_metadata(io.BytesIO(stream)) == metadata


class Counting(io.BytesIO):
    """Knows which bytes were read."""

    def __init__(self, data: bytes):
        super().__init__(data)
        self.seen: set[int] = set()

    def read(self, count: int = -1) -> bytes:
        at = self.tell()
        content = super().read(count)
        self.seen.update(range(at, at + len(content)))
        return content


BOXES = [(0, 0, 1, 1), (1399, 199, 1400, 200), (633, 100, 680, 133), (0, 0, 1400, 200)]


@pytest.mark.parametrize("box", BOXES, ids=str)
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("upright", [False, True])
def test_a_box_is_the_crop(codec, box, channels, upright):
    image = noise(200, 1400).repeat(2, 1, 1)[:channels]
    left, top, right, bottom = box
    if upright:
        image = image.transpose(1, 2)
        left, top, right, bottom = top, left, bottom, right
    stream = codec.compress(image, 50, tiles=64)
    whole = codec.decompress(stream)[:, top:bottom, left:right]
    file = Counting(stream)
    found = codec.decompress(file, box=(left, top, right, bottom))
    assert found.shape == whole.shape and found.is_contiguous()
    assert (found.int() - whole.int()).abs().max() <= 1
    if channels == 4:
        assert torch.equal(found[3], whole[3])
    header = container.read_header(stream)
    needed_tiles = codec._needed(header, Tile(left, top, right, bottom), codec.network.synthesis)
    meets = [i in needed_tiles for i in range(len(header.tiles))]
    for (place, size), needed in zip(header.tile_places, meets, strict=True):
        bytes_read = file.seen & set(range(max(place, 1024), place + size + 4))
        assert bool(bytes_read) == (needed and place + size + 4 > 1024)
    assert all(meets) == (box == BOXES[-1])


def test_a_box_reads_no_chunk(codec):
    stream = codec.compress(noise(64, 900), tiles=64, metadata={"xmp": bytes(50_000)})
    file = Counting(stream)
    codec.decompress(file, box=(0, 0, 10, 10))
    assert len(file.seen) < len(stream) - 40_000
    file = Counting(stream)
    assert mcm_fast.info(file)["chunks"] == {"xmpp": 50_000}
    assert len(file.seen) <= 1024


BAD_BOXES = [
    (0, 0, 0, 1),
    (5, 5, 4, 9),
    (0, 0, 21, 10),
    (-1, 0, 5, 5),
    (0, 0, 5),
    "box",
    (0.5,) * 4,
]


@pytest.mark.parametrize("box", BAD_BOXES, ids=str)
def test_bad_boxes(codec, box):
    with pytest.raises(ValueError, match="box") as error:
        codec.decompress(codec.compress(noise(30, 20)), box=box)
    assert not isinstance(error.value, BitstreamError)


@pytest.mark.parametrize("tiles", [-64, 1, 63, 100, 64.0, "64", 2**32])
def test_bad_tiles(codec, tiles):
    with pytest.raises(ValueError, match="tiles is None, 0 or a multiple of 64"):
        codec.compress(noise(30, 20), tiles=tiles)


def test_default_tiles():
    assert sides_for(2048, 2048, None) is None and sides_for(2049, 2048, None) == (1024, 1024)
    assert sides_for(4000, 3000, 0) is None and sides_for(4000, 3000, 512) == (512, 512)
    assert sides_for(512, 300, 512) is None


def test_16_bits_are_refused_clearly(codec):
    with pytest.raises(ValueError, match="16 bits a channel are not in this format"):
        codec.compress(torch.zeros(3, 8, 8, dtype=torch.uint16))


def test_a_target_rate_in_tiles_with_alpha(codec):
    image = noise(128, 160).repeat(2, 1, 1)[:4]
    image[3] //= 250
    low, high = (len(codec.compress(image, quality, tiles=64)) for quality in (0, 100))
    target = 8 * (low + high) / 2 / (128 * 160)
    stream = codec.compress(image, target_bpp=target, tiles=64)
    assert abs(8 * len(stream) / (128 * 160) - target) <= 0.02 * target


def test_everything_there_is():
    assert_same(unpack(pack(stream_of_everything())), stream_of_everything())
