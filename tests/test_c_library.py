"""The C library's pixels are those of `PixelDecoder`, and so is what it says of streams."""

import threading

import numpy as np
import pytest
import torch
from c_library import BAD_ARGUMENT, REASONS, CDecoder, Refused, outcome
from decoders import KINDS, decoder_of

import mcm_fast
from mcm_fast import BitstreamError, PixelDecoder, container, testing
from mcm_fast.latents import Latents

GOLDEN = testing.golden_streams()


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_streams(libmcm, c_golden, name):
    native, stream = CDecoder(libmcm, c_golden), GOLDEN[name].data
    expected = PixelDecoder(c_golden, threads=1).decompress(stream)
    assert np.array_equal(native.decompress(stream), expected)
    for threads in (3, 2**32 - 1):
        assert np.array_equal(native.decompress(stream, threads=threads), expected)
    native.close()


@pytest.mark.parametrize("kind", KINDS)
def test_pixels(native, arrays, c_streams, kind):
    """Every kind of picture, whole and boxes of it, at each scale; each rendering."""
    stream = c_streams[kind]
    whole = arrays.decompress(stream)
    assert np.array_equal(native.decompress(stream), whole)
    other = arrays.decompress(stream, "other")
    assert np.array_equal(native.decompress(stream, "other", threads=2), other)
    height, width = whole.shape[:2]
    rng = np.random.default_rng(height)
    for scale in (1, 8, 16):
        small = arrays.decompress(stream, scale=scale)
        assert np.array_equal(native.decompress(stream, scale=scale), small)
        for _ in range(8):
            left, top = rng.integers(0, width), rng.integers(0, height)
            right, bottom = rng.integers(left, width) + 1, rng.integers(top, height) + 1
            box = int(left), int(top), int(right), int(bottom)
            part = arrays.decompress(stream, box=box, scale=scale)
            assert np.array_equal(native.decompress(stream, box=box, scale=scale), part)


def test_bands(native, arrays, c_codec):
    """17 megapixels in tiles, transposed: more than are drawn at once."""
    width, height, side = 4100, 4200, 1024
    generator = torch.Generator().manual_seed(1)
    h, w = -(-width // 16), -(-height // 16)  # coded
    shapes = (c_codec._channels[0], h, w), (c_codec._channels[1], -(-h // 4), -(-w // 4))
    y, z = (3 * torch.randn(shape, generator=generator) for shape in shapes)
    latents = Latents(y.short(), z.short(), width, height, 5000, True, sides=(side, side))
    stream = c_codec.encode(latents)
    for options in ({}, {"scale": 8}, {"box": (7, 9, 4000, 4199), "scale": 16}):
        expected = arrays.decompress(stream, **options)
        assert np.array_equal(native.decompress(stream, threads=2, **options), expected)


def test_headers(native, c_streams):
    for stream in (*c_streams.values(), *(golden.data for golden in GOLDEN.values())):
        said, facts = native.header(stream), container.info(stream)
        channels = (1 if facts["gray"] else 3) + ("Alph" in facts["chunks"])
        found = {name: getattr(said, name) for name in ("width", "height", "tiles", "channels")}
        assert found == {
            **{n: facts[n] for n in ("width", "height", "tiles")},
            "channels": channels,
        }
        assert (said.gray, said.transposed) == (facts["gray"], facts["transposed"])
        assert [said.tile_width, said.tile_height] == (facts["tile_sides"] or [0, 0])
        assert bytes(said.model).hex() == facts["model_id"] and said.alpha == (channels % 2 == 0)
        assert said.quality == round(100 * facts["quality"])
        size = facts["header_bytes"]
        assert bytes(native.header(stream[:size])) == bytes(said)
        with pytest.raises(BitstreamError) as caught:
            native.header(stream[: size - 1])
        assert caught.value.reason is mcm_fast.Reason.TRUNCATED


def test_limits(native, arrays, c_streams):
    stream = c_streams["rgb"]  # 44 x 75: 3 x 5 blocks
    for limit in (1, 3300, 3839, 3840, 10**12, 2**64 - 1):
        expected = outcome(arrays.with_limits(max_pixels=limit).decompress, stream)
        found = outcome(native.decompress, stream, max_pixels=limit)
        assert found == expected
        assert (found is mcm_fast.Reason.TOO_LARGE) == (limit < 3840)
    pixels, how = np.empty((44, 75, 3), np.uint8), native.options(max_pixels=3839)
    with pytest.raises(BitstreamError) as caught:
        native.decode(stream, how, pixels)
    assert caught.value.reason is mcm_fast.Reason.TOO_LARGE


def test_arguments(native, c_streams):
    stream = c_streams["rgb"]
    boxes = (0, 0, 76, 44), (0, 0, 75, 45), (5, 5, 5, 6), (6, 5, 5, 6), (0, 0, 0, 5)
    refused = [{"box": box} for box in boxes] + [{"scale": scale} for scale in (0, 2, 32)]
    for options in (*refused, {"threads": 0}, {"rendering": "third"}, {"rendering": "preview8"}):
        with pytest.raises(Refused) as caught:
            native.decompress(stream, **options)
        assert caught.value.status == BAD_ARGUMENT and str(caught.value)


def test_buffers(native, arrays, c_streams):
    """Rows may lie apart, and nothing beside them is written."""
    whole = arrays.decompress(c_streams["tiles-portrait"])
    height, width, channels = whole.shape
    room = np.full((height + 1, width + 3, channels), 7, np.uint8)
    native.decode(c_streams["tiles-portrait"], None, room[:height, :width])
    assert np.array_equal(room[:height, :width], whole)
    assert (room[height:] == 7).all() and (room[:, width:] == 7).all()
    libmcm, handle = native._library, native._handle
    row, stream = width * channels, c_streams["tiles-portrait"]
    for row_step, capacity in ((row - 1, 2**40), (row, row * height - 1), (2**63, 2**64 - 1)):
        arguments = room.ctypes.data, row_step, capacity, None
        status = libmcm.mcm_decode(handle, stream, len(stream), None, *arguments)
        assert status == BAD_ARGUMENT
    assert libmcm.mcm_decode(handle, stream, len(stream), None, None, row, 2**40, None) == 16
    assert libmcm.mcm_decode(None, stream, len(stream), None, None, row, 2**40, None) == 16
    assert libmcm.mcm_decode(handle, None, 5, None, None, row, 2**40, None) == 16


def test_messages(libmcm):
    """The codes of streams are `Reason`, by number and by name."""
    assert [libmcm.mcm_message(n).decode() for n in REASONS] == [r.value for r in REASONS.values()]
    assert len({libmcm.mcm_message(n) for n in (0, *REASONS, *range(16, 21))}) == 12
    assert libmcm.mcm_message(7) == libmcm.mcm_message(-1) == b"unknown status"


def test_ids_and_names(native, arrays):
    assert native.id == arrays.id and native.renderings == list(arrays.renderings)


def test_another_model_s_streams(native, c_golden, libmcm):
    other = CDecoder(libmcm, c_golden)
    assert other.renderings == ["faithful"]
    with pytest.raises(BitstreamError) as caught:
        native.decompress(GOLDEN["photo"].data)
    assert caught.value.reason is mcm_fast.Reason.UNKNOWN_MODEL
    with pytest.raises(Refused, match="no preview8"):
        other.decompress(GOLDEN["photo"].data, scale=8)
    other.close()


def test_threads_share_a_decoder(libmcm, c_model, arrays, c_streams):
    """From the first call on, which reads a rendering; streams, renderings and scales at once."""
    native = CDecoder(libmcm, decoder_of(c_model))
    jobs = [(kind, name, scale) for kind in KINDS for name in ("faithful", "other")
            for scale in (1, 8, 16)]  # fmt: skip
    expected = {job: arrays.decompress(c_streams[job[0]], job[1], scale=job[2]) for job in jobs}
    wrong: list[object] = []

    def work(offset: int) -> None:
        for kind, name, scale in jobs[offset:] + jobs[:offset]:
            found = native.decompress(c_streams[kind], name, scale=scale, threads=2)
            if not np.array_equal(found, expected[kind, name, scale]):
                wrong.append((kind, name, scale))

    threads = [threading.Thread(target=work, args=(7 * i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    native.close()
