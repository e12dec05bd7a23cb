"""The promise: a stream that ends too early is told from a damaged one, wherever it is cut, and
what is whole of it can be had."""

import pytest
import torch
from conftest import noise
from format_streams import stream_of_everything

from mcm_fast import BitstreamError
from mcm_fast.container import info, pack, read_chunks, unpack
from mcm_fast.errors import Reason

DATA = pack(stream_of_everything())
HEADER = len(stream_of_everything().header.packed)


@pytest.mark.parametrize("length", range(1, len(DATA)))
def test_every_truncation_is_told(length):
    with pytest.raises(BitstreamError) as error:
        unpack(DATA[:length])
    assert error.value.reason is Reason.TRUNCATED
    if length >= HEADER:
        assert f"{len(DATA) - length} bytes are missing" in str(error.value)


def test_a_damaged_header_is_no_truncation():
    damaged = bytearray(DATA[:-3])
    damaged[HEADER - 1] ^= 1
    with pytest.raises(BitstreamError) as error:
        unpack(damaged)
    assert error.value.reason is Reason.DAMAGED


def test_nothing_follows_the_end():
    with pytest.raises(BitstreamError, match="1 bytes after its end") as error:
        unpack(DATA + b"\0")
    assert error.value.reason is Reason.DAMAGED


def test_the_beginning_is_of_use():
    """Metadata, and the tiles that are there."""
    header = unpack(DATA).header
    cut = DATA[: header.tile_places[2][0]]
    assert read_chunks(cut) == {"iccp": b"abc", "abcD": b""}
    part = unpack(cut, wanted=lambda header: [0, 1], keep_damaged=True)
    assert part.tiles[0] and part.tiles[1] and not part.damage
    damaged = info(cut, verify=True)["damaged"]
    assert [each["tile"] for each in damaged] == [2, 3]


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_whole_tiles_of_a_cut_stream(codec, channels):
    """With `on_damage="blank"`: the others are gray, and warned of."""
    image = noise(150, 200).repeat(2, 1, 1)[:channels]
    data = codec.compress(image, 30, tiles=64)
    whole, header = codec.decompress(data), unpack(data).header
    cut = data[: header.tile_places[7][0] + 1]
    with pytest.raises(BitstreamError, match="bytes are missing"):
        codec.decompress(cut)
    with pytest.warns(UserWarning, match=r"damaged tiles are gray: \[\(0, 0, 64, 64\)|gray"):
        found = codec.decompress(cut, on_damage="blank")
    colours = channels - (channels % 2 == 0)
    assert found.shape == whole.shape
    assert (found[:colours, 128:150, 192:200] == 128).all()
    if channels % 2:  # alpha comes last: without it every tile is damaged
        assert torch.equal(found[:, :32, :100], whole[:, :32, :100])
    with pytest.warns(UserWarning):
        many = codec.decompress_many([data, cut], on_damage="blank")
    assert torch.equal(many[0], whole) and torch.equal(many[1], found)


def test_a_damaged_tile_among_whole_ones(codec):
    image = noise(900, 100)  # transposed
    data = bytearray(codec.compress(image, 30, tiles=64))
    whole = codec.decompress(data)
    data[unpack(data).header.tile_places[1][0] + 5] ^= 1
    with pytest.raises(BitstreamError, match="the checksum of tile 1"):
        codec.decompress(data)
    with pytest.warns(UserWarning, match=r"\[\(0, 64, 64, 128\)\]"):
        found = codec.decompress(data, on_damage="blank")
    assert (found[:, 64:128, :64] == 128).all()
    assert torch.equal(found[:, 500:], whole[:, 500:])
    assert torch.equal(codec.decompress(data, box=(10, 700, 90, 801)), whole[:, 700:801, 10:90])
    with pytest.raises(ValueError, match="on_damage"):
        codec.decompress(data, on_damage="ignore")


def test_damage_that_only_the_final_states_show(codec):
    stream = unpack(codec.compress(noise(100, 130), 90, tiles=64))
    segment = bytearray(stream.tiles[0].segments[0])
    segment[-1] ^= 1
    stream.tiles[0].segments[0] = bytes(segment)
    with pytest.raises(BitstreamError):
        codec.decompress(pack(stream))
    with pytest.warns(UserWarning, match=r"\(0, 0, 64, 64\)"):
        assert (codec.decompress(pack(stream), on_damage="blank")[:, :64, :64] == 128).all()
