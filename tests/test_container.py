"""The container byte for byte: what `pack` writes, what `unpack` says of what it refuses."""

import dataclasses
import io
import pickle
import struct
from string import ascii_lowercase

import numpy as np
import pytest
import torch
from format_streams import (
    MODEL,
    assert_same,
    crc32c,
    raw,
    sealed,
    start,
    stream_of_everything,
    tile,
)

from mcm_fast import container
from mcm_fast.container import Stream, pack, unpack
from mcm_fast.errors import BitstreamError, Reason
from mcm_fast.exact.engine import Coded
from mcm_fast.exact.extension import extension

STATES = struct.pack("<2I", 65536, 0x12345678)
# Every byte by hand, from FORMAT.md.
GOLDEN = bytes.fromhex(
    "4d434d1a 01 05 0102030405060708 8813"  # magic, version, flags, model, quality 50.00
    "ac02 05"  # 300 x 5
    "01 02 03"  # 2 lanes, 1 group; 2 exceptions; 3 words
    "01 69636370 03 733684e3"  # one chunk, iccp, 3 bytes; checksum
    "616263 b73f4b36"  # the chunk
    "07000000 ffff 00000100 0500"  # exceptions: 7: -1, 65536: 5
    "00000100 78563412"  # states
    "0100 0200 ffff"  # words
    "c7578df9"  # checksum
)


def golden_stream() -> Stream:
    indexes, differences = torch.tensor([7, 65536]), torch.tensor([-1, 5], dtype=torch.int16)
    words = struct.pack("<3H", 1, 2, 65535)
    coded = Coded(2, 1, indexes, differences, [STATES + words])
    return Stream(MODEL, 5000, 300, 5, True, [coded], {"iccp": b"abc"})


def test_checksum_of_the_standard_check_string():
    assert crc32c(b"123456789") == extension().crc32c(b"123456789") == 0xE3069283


def test_golden_bytes_both_ways():
    assert pack(golden_stream()) == GOLDEN
    for data in GOLDEN, bytearray(GOLDEN), memoryview(GOLDEN), io.BytesIO(GOLDEN):
        assert_same(unpack(data), golden_stream())


def test_header_of_one_image_tile_and_group_is_small():
    """Up to two million pixels a side."""
    coded = tile(*range(100))
    for size in (1, 1), (300, 5), (2**21 - 1, 2**14):
        stream = Stream(MODEL, 5000, *size, False, [coded])
        assert container.info(pack(stream))["header_bytes"] <= 32


def test_info_says_what_is_there():
    assert container.info(GOLDEN) == {
        "format": 1,
        "model_id": "0102030405060708",
        "width": 300,
        "height": 5,
        "quality": 50.0,
        "transposed": True,
        "gray": False,
        "tiles": 1,
        "tile_sides": None,
        "lanes": 2,
        "groups": 1,
        "exceptions": 2,
        "chunks": {"iccp": 3},
        "bytes": len(GOLDEN),
        "header_bytes": 32,
        "payload_bytes": 26,
        "bpp": 8 * len(GOLDEN) / 1500,
    }
    facts = container.info(pack(stream_of_everything()), verify=True)
    assert facts["chunks"] == {"iccp": 3, "abcD": 0, "Alph": 13}
    assert (facts["tiles"], facts["tile_sides"], facts["gray"]) == (4, [128, 64], True)
    assert facts["damaged"] == [] and facts["lost"] == []


def test_info_lists_damage():
    data = bytearray(pack(stream_of_everything()))
    header = container.read_header(data)
    data[header.tile_places[2][0]] ^= 1
    data[header.chunk_places["iccp"][0]] ^= 1
    facts = container.info(data, verify=True)
    assert [(each["tile"], each["reason"]) for each in facts["damaged"]] == [(2, "damaged")]
    assert facts["damaged"][0]["box"] == [64, 0, 70, 128] and facts["lost"] == ["iccp"]
    cut = data[: header.tile_places[3][0]]
    damaged = container.info(cut, verify=True)["damaged"]
    assert [(each["tile"], each["reason"]) for each in damaged][1:] == [(3, "truncated")]
    with pytest.raises(BitstreamError, match="missing"):
        container.info(cut)


REASONS = {
    Reason.FOREIGN: b"\x89PNG\r\n\x1a\n",
    Reason.VERSION: GOLDEN[:4] + b"\x63" + GOLDEN[5:],
    Reason.TRUNCATED: GOLDEN[:10],
    Reason.DAMAGED: GOLDEN[:-1] + bytes([GOLDEN[-1] ^ 1]),
}


@pytest.mark.parametrize("reason", REASONS, ids=lambda reason: reason.value)
def test_each_reason(reason):
    with pytest.raises(BitstreamError) as error:
        unpack(REASONS[reason])
    assert error.value.reason is reason
    assert pickle.loads(pickle.dumps(error.value)).reason is reason


def test_too_large_is_a_reason():
    with pytest.raises(BitstreamError, match="limit") as error:
        unpack(GOLDEN, max_pixels=100)
    assert error.value.reason is Reason.TOO_LARGE


HUGE = b"\xff\xff\xff\xff\x0f"  # 2^32 - 1
TWO = {"size": b"\x41\x01", "payload": b"\x00\x00\x01\x00"}  # 65 x 1


def tiled(sides: bytes, tiles: int = 2) -> bytes:
    return sealed(start(flags=8) + b"\x41\x01" + sides + bytes(3 * tiles)) + sealed(
        b"\x00\x00\x01\x00"
    ) * max(tiles, 1)


DAMAGED = {
    "foreign": (b"\x89PNG\r\n\x1a\n" * 8, "not an MCM stream"),
    "empty": (b"", "not an MCM stream"),
    "older": (b"MCM\x1a\x00", "format version 0"),
    "newer": (b"MCM\x1a\x02", "format version 2"),
    "newer-before-checksum": (start(version=9) + bytes(40), "format version 9"),
    "tile-checksum": (raw()[:-1] + b"\x00", "the checksum of tile 0"),
    "header-checksum": (raw()[:-9] + b"\x00" + raw()[-8:], "the checksum of the header"),
    "16-bits": (raw(start(flags=0x10)), "16 bits a channel"),
    "animation": (raw(start(flags=0x20)), "animation"),
    "quality": (raw(start(quality=10001)), "quality 10001"),
    "width-0": (raw(size=b"\x00\x01"), "0x1 pixels"),
    "height-0": (raw(size=b"\x01\x00"), "1x0 pixels"),
    "overlong-varint": (raw(size=b"\x81\x00\x01"), "longer than needed"),
    "overlong-zero": (raw(table=b"\x00\x80\x00\x00"), "longer than needed"),
    "varint-of-33-bits": (raw(size=b"\xff\xff\xff\xff\x1f\x01"), "above 2^32"),
    "varint-of-6-bytes": (raw(size=b"\xff\xff\xff\xff\xff\x01\x01"), "more than 5 bytes"),
    "huge-image": (raw(size=HUGE + HUGE), "limit"),
    "lanes-6": (raw(table=b"\x06\x00\x00"), "2^6 lanes"),
    "groups-without-32-lanes": (raw(table=b"\x14\x00\x00"), "groups"),
    "groups-6": (raw(table=b"\x65" + bytes(65), payload=bytes(8192)), "groups"),
    "huge-exceptions": (raw(table=b"\x00" + HUGE + b"\x00"), "bytes are missing"),
    "huge-words": (raw(table=b"\x00\x00" + HUGE), "bytes are missing"),
    "huge-groups": (raw(table=b"\x55\x00" + HUGE * 32), "bytes are missing"),
    "words-one-too-many": (raw(table=b"\x00\x00\x01"), "2 bytes are missing"),
    "missing-word-counts": (raw(table=b"\x55\x00\x00"), "ends within its header"),
    "tiles-of-no-width": (tiled(b"\x00\x01"), "tiles of 0x64"),
    "tiles-of-no-height": (tiled(b"\x01\x00"), "tiles of 64x0"),
    "one-tile": (tiled(b"\x02\x01", 1), "a flag for tiles, and a single one"),
    "huge-table": (sealed(start(flags=8) + HUGE + HUGE + b"\x01\x01"), "a table of"),
    "tile-missing": (tiled(b"\x01\x01")[:-8], "8 bytes are missing"),
    "no-padding-needed": (raw(payload=b"\x00\x00\x01\x00\x00"), "after its end"),
    "pixel-rule": (raw(size=b"\x81\x80\x02\x05"), "bytes are missing"),
    "padding-not-zero": (raw(size=b"\x81\x80\x02\x04", payload=bytes(4) + b"\x01"), "not zero"),
    "exceptions-out-of-order": (
        raw(table=b"\x00\x02\x00", payload=b"\x01\0\0\0\x01\0" * 2 + bytes(4)),
        "out of order",
    ),
    "exception-of-zero": (raw(table=b"\x00\x01\x00", payload=bytes(10)), "zero"),
    "chunk-critical": (raw(start(flags=4), chunk_list=b"\x01Tile\x00"), "must not be ignored"),
    "chunk-not-letters": (raw(start(flags=4), chunk_list=b"\x01ab1d\x00"), "type 'ab1d'"),
    "chunk-latin": (raw(start(flags=4), chunk_list=b"\x01ab\xe9d\x00"), "type"),
    "chunk-twice": (raw(start(flags=4), chunk_list=b"\x02iccp\x00iccp\x00"), "two chunks"),
    "chunk-after-alpha": (raw(start(flags=4), chunk_list=b"\x02Alph\x01iccp\x00"), "wrong place"),
    "chunk-huge": (raw(start(flags=4), chunk_list=b"\x01iccp" + HUGE), "bytes are missing"),
    "chunk-checksum": (
        raw(start(flags=4), chunk_list=b"\x01iccp\x01", chunks=b"x1234"),
        "the checksum of chunk 'iccp'",
    ),
    "chunks-huge": (raw(start(flags=4), chunk_list=HUGE), "4294967295 of them"),
    "chunks-256": (raw(start(flags=4), chunk_list=b"\x80\x02"), "and 256 of them"),
    "chunks-none": (raw(start(flags=4), chunk_list=b"\x00"), "and 0 of them"),
    "chunks-without-flag": (raw(chunk_list=b"\x01iccp\x00"), "the checksum of the header"),
    "alpha-empty": (
        raw(start(flags=4), chunk_list=b"\x01Alph\x00", alpha=sealed(b"")),
        "0 bytes of alpha",
    ),
    "alpha-short": (
        raw(start(flags=4), chunk_list=b"\x01Alph\x02", alpha=sealed(b"\x02x")),
        "do not add up",
    ),
    "alpha-cut-off": (
        raw(start(flags=4), chunk_list=b"\x01Alph\x01", alpha=sealed(b"\x80")),
        "cut off",
    ),
}


@pytest.mark.parametrize("data, complaint", DAMAGED.values(), ids=DAMAGED)
def test_damage_is_named(data, complaint):
    with pytest.raises(BitstreamError, match=complaint.replace("^", r"\^")):
        unpack(data)


def test_what_a_reader_may_ignore():
    assert_same(unpack(raw(start(flags=0xC0))), unpack(raw()))
    data = raw(start(flags=4), chunk_list=b"\x01abcD\x02", chunks=sealed(b"hi"))
    assert unpack(data).chunks == container.read_chunks(data) == {"abcD": b"hi"}


def test_padding_is_exact():
    for width, payload in (32768 * 4, 4), (32768 * 4 + 1, 5), (32768 * 9, 9):
        stream = unpack(raw())
        stream.width = width
        assert container.info(pack(stream))["payload_bytes"] == payload
        assert_same(unpack(pack(stream)), stream)


def test_max_pixels_is_the_callers():
    with pytest.raises(BitstreamError, match="limit is 4863 pixels"):
        unpack(GOLDEN, max_pixels=304 * 16 - 1)
    assert unpack(GOLDEN, max_pixels=304 * 16).width == 300


CHUNK_NAMES = [f"a{a}{b}z" for a in ascii_lowercase for b in ascii_lowercase]


def test_many_chunks():
    stream = golden_stream()
    stream.chunks = dict.fromkeys(CHUNK_NAMES[:255], b"x")
    assert_same(unpack(pack(stream)), stream)


BAD_FIELDS = {
    "model": {"model": b"short"},
    "quality": {"quality": 10001},
    "width": {"width": 0},
    "height": {"height": 2**32},
    "chunk-type": {"chunks": {"icc": b""}},
    "chunks-256": {"chunks": dict.fromkeys(CHUNK_NAMES[:256], b"")},
    "critical-chunk": {"chunks": {"Tile": b""}},
    "sides": {"sides": (64, 65)},
    "sides-of-one": {"sides": (320, 320)},
    "too-few-tiles": {"sides": (64, 64)},
    "too-many-tiles": {"tiles": [tile(), tile()]},
    "alpha": {"alpha": []},
    "coded.lanes": {"lanes": 3},
    "coded.groups": {"groups": 2},
    "coded.segments": {"segments": [bytes(7)]},
    "coded.missing-segment": {"segments": []},
    "coded.order": {"exception_indexes": np.array([7, 7])},
    "coded.range": {"exception_indexes": np.array([7, 2**32])},
    "coded.zero": {"exception_differences": np.array([0, 1], np.int16)},
    "coded.lengths": {"exception_differences": np.array([1], np.int16)},
}


@pytest.mark.parametrize("name", BAD_FIELDS)
def test_pack_refuses_what_unpack_would(name):
    stream = golden_stream()
    if name.startswith("coded"):
        stream.tiles = [dataclasses.replace(stream.tiles[0], **BAD_FIELDS[name])]
    else:
        stream = dataclasses.replace(stream, **BAD_FIELDS[name])
    with pytest.raises(ValueError, match="a stream cannot hold"):
        pack(stream)


def test_a_part_is_not_written():
    part = unpack(pack(stream_of_everything()), wanted=lambda header: [1, 2])
    assert [coded is not None for coded in part.tiles] == [False, True, True, False]
    assert part.alpha == [None, b"", b"three", None] and part.chunks == {}
    with pytest.raises(ValueError, match="only some tiles"):
        pack(part)


@pytest.mark.parametrize("data", [5, None, io.StringIO("MCM")], ids=["number", "None", "text"])
def test_only_bytes_are_unpacked(data):
    with pytest.raises(ValueError, match="a stream is"):
        unpack(data)


def test_a_string_is_a_path(tmp_path):
    with pytest.raises(FileNotFoundError):
        unpack(str(tmp_path / "MCM"))
    data = pack(stream_of_everything())
    (tmp_path / "MCM").write_bytes(data)
    assert pack(unpack(str(tmp_path / "MCM"))) == data


class Pipe(io.RawIOBase):
    """Cannot seek, and gives a few bytes at a time."""

    def __init__(self, data: bytes):
        self.rest = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, target: memoryview) -> int:
        return self.rest.readinto(memoryview(target)[:7])


class Slow(io.BytesIO):
    """Seeks, but reads a few bytes at a time, as raw files may."""

    def read(self, count: int = -1) -> bytes:
        return super().read(7 if count < 0 else min(count, 7))


@pytest.mark.parametrize("kind", [Pipe, Slow])
def test_files_that_read_little_at_a_time(kind):
    assert_same(unpack(kind(GOLDEN)), golden_stream())


def test_a_file_is_read_from_where_it_stands():
    file = io.BytesIO(b"before" + GOLDEN)
    file.seek(6)
    assert_same(unpack(file), golden_stream())
