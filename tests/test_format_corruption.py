"""The promise: no damage goes unseen, and nothing is allocated on a number that the input has not
earned."""

import resource
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from conftest import noise
from format_streams import raw, sealed, start, stream_of_everything, tile

from mcm_fast import BitstreamError, alpha
from mcm_fast.container import Stream, pack, unpack
from mcm_fast.errors import Reason

DATA = pack(stream_of_everything())


def test_every_flipped_bit_is_an_error():
    for bit in range(8 * len(DATA)):
        damaged = bytearray(DATA)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(BitstreamError):
            unpack(damaged)


@pytest.mark.parametrize("value", [0x00, 0xFF])
def test_every_byte_of_zeros_or_ones_is_an_error(value):
    for at in range(len(DATA)):
        if DATA[at] != value:
            with pytest.raises(BitstreamError):
                unpack(DATA[:at] + bytes([value]) + DATA[at + 1 :])


def test_a_damaged_tile_is_damaged_and_not_truncated():
    header = unpack(DATA).header
    for place, size in header.tile_places:
        damaged = bytearray(DATA)
        damaged[place + size // 2] ^= 16
        with pytest.raises(BitstreamError) as error:
            unpack(damaged)
        assert error.value.reason is Reason.DAMAGED


def test_tiles_that_are_not_asked_for_may_be_damaged():
    damaged = bytearray(DATA)
    damaged[unpack(DATA).header.tile_places[0][0]] ^= 1
    part = unpack(damaged, wanted=lambda header: [3])
    assert part.tiles[3] is not None and not part.damage
    kept = unpack(damaged, keep_damaged=True)
    assert list(kept.damage) == [0] and [t is None for t in kept.tiles] == [True] + 3 * [False]


HUGE = b"\xff\xff\xff\xff\x0f"  # 2^32 - 1
GREEDY = {
    "tiles": sealed(start(flags=8) + HUGE + HUGE + b"\x01\x01") + bytes(3000),
    "exceptions": raw(table=b"\x00" + HUGE + b"\x00"),
    "words": raw(table=b"\x55\x00" + HUGE * 32),
    "chunk": raw(start(flags=4), chunk_list=b"\x01iccp" + HUGE),
    "chunks": raw(start(flags=4), chunk_list=HUGE),
    "alpha": raw(start(flags=4), chunk_list=b"\x01Alph\x05", alpha=sealed(HUGE)),
    "image": raw(size=HUGE + HUGE),
}


@pytest.mark.parametrize("data", GREEDY.values(), ids=GREEDY)
def test_nothing_is_allocated_on_an_unearned_number(data):
    tracemalloc.start()
    with pytest.raises(BitstreamError):
        unpack(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 200_000


def test_each_tile_earns_its_pixels():
    """4096 x 4096 pixels are 512 bytes of payload, in one tile or in 16."""
    for sides, tiles in (None, 1), ((1024, 1024), 16):
        stream = Stream(bytes(8), 0, 4096, 4096, False, [tile()] * tiles, sides=sides)
        assert sum(size for _, size in stream.header.tile_places) == 512
        assert len(unpack(pack(stream)).tiles) == tiles


@pytest.mark.parametrize("count", [0, 1, 10**8])
def test_alpha_bombs_are_refused(count):
    """What inflates to more or less than the tile's rows, for no more memory than these take."""
    bomb = zlib.compress(bytes(count), 9)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BitstreamError, match="alpha is not 5 rows of 7 pixels"):
        alpha.decompress(bomb, 5, 7)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20 * 1024  # KB


def test_damaged_alpha_is_refused():
    good = alpha.compress(np.zeros((5, 7), np.uint8))
    filters = zlib.compress(b"".join(bytes([5]) + bytes(7) for _ in range(5)))
    for bad in (good[:-1], good + b"x", good[:-1] + b"x", b"", b"\0" * 20, filters):
        with pytest.raises(BitstreamError, match="alpha"):
            alpha.decompress(bad, 5, 7)


def test_alpha_of_a_stream_is_checked(codec):
    image = noise(70, 90).repeat(2, 1, 1)[:4]
    stream = unpack(codec.compress(image, tiles=64))
    stream.alpha[1] = zlib.compress(bytes(10))
    data = pack(stream)
    with pytest.raises(BitstreamError, match="alpha"):
        codec.decompress(data)
    assert codec.decompress(data, box=(0, 0, 64, 64)).shape == (4, 64, 64)


def test_a_stream_of_states_alone_is_refused(codec):
    """Its checksums hold; its final states do not."""
    stream = unpack(codec.compress(noise(100, 130), 90, tiles=64))
    for index, coded in enumerate(stream.tiles):
        states = struct.pack("<I", 1 << 16) * coded.lanes
        coded.segments[0] = states + coded.segments[0][4 * coded.lanes :]
        if index == 2:
            with pytest.raises(BitstreamError):
                codec.decompress(pack(stream))
