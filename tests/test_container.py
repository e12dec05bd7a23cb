"""The container byte for byte: what `pack` writes, and that `unpack` accepts nothing else."""

import dataclasses
import pickle
import struct
from string import ascii_lowercase

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mcm_fast import container
from mcm_fast.container import Stream, pack, unpack
from mcm_fast.errors import BitstreamError, Reason
from mcm_fast.exact.engine import Coded
from mcm_fast.exact.extension import extension

MODEL = bytes(range(1, 9))
STATES = struct.pack("<2I", 65536, 0x12345678)
# Every byte by hand, from FORMAT.md.
GOLDEN = bytes.fromhex(
    "4d434d1a 00 03 0102030405060708 8813"  # magic, version, flags, model, quality 50.00
    "ac02 05"  # 300 x 5
    "01 02 03"  # 2 lanes, 1 group; 2 exceptions; 3 words
    "01 69636370 03 616263"  # one chunk, iccp, 3 bytes
    "07000000 ffff 00000100 0500"  # exceptions: 7: -1, 65536: 5
    "00000100 78563412"  # states
    "0100 0200 ffff"  # words
    "73fa2a67"  # CRC-32C
)


def crc32c(data: bytes) -> int:
    """Bit by bit, from the definition."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def sealed(body: bytes) -> bytes:
    return body + struct.pack("<I", crc32c(body))


def golden_stream() -> Stream:
    indexes, differences = torch.tensor([7, 65536]), torch.tensor([-1, 5], dtype=torch.int16)
    words = struct.pack("<3H", 1, 2, 65535)
    coded = Coded(2, 1, indexes, differences, [STATES + words])
    return Stream(MODEL, 5000, 300, 5, True, coded, {"iccp": b"abc"})


def raw(
    start: bytes = b"MCM\x1a\x00\x00" + MODEL + struct.pack("<H", 5000),
    size: bytes = b"\x01\x01",
    lanes: bytes = b"\x00",
    exceptions: bytes = b"\x00",
    words: bytes = b"\x00",
    chunks: bytes = b"",
    payload: bytes = b"\x00\x00\x01\x00",
) -> bytes:
    """A valid stream of one pixel in parts, with a checksum that fits whatever is in them."""
    return sealed(start + size + lanes + exceptions + words + chunks + payload)


def start(version: int = 0, flags: int = 0, quality: int = 5000) -> bytes:
    return b"MCM\x1a" + bytes([version, flags]) + MODEL + struct.pack("<H", quality)


def assert_same(got: Stream, want: Stream) -> None:
    for name in ("model", "quality", "width", "height", "transposed", "chunks"):
        assert getattr(got, name) == getattr(want, name), name
    for name in ("lanes", "groups", "segments"):
        assert getattr(got.coded, name) == getattr(want.coded, name), name
    for name, dtype in ("exception_indexes", torch.int64), ("exception_differences", torch.int16):
        assert getattr(got.coded, name).dtype == dtype
        assert torch.equal(getattr(got.coded, name), getattr(want.coded, name)), name


def test_checksum_of_the_standard_check_string():
    assert crc32c(b"123456789") == extension().crc32c(b"123456789") == 0xE3069283


def test_golden_bytes_both_ways():
    assert pack(golden_stream()) == GOLDEN
    for data in GOLDEN, bytearray(GOLDEN), memoryview(GOLDEN):
        assert_same(unpack(data), golden_stream())


def test_header_of_one_image_and_one_group_is_small():
    facts = container.info(pack(golden_stream()))
    assert facts["header_bytes"] == 23 and facts["header_bytes"] + 4 <= 32


def test_info_says_what_is_there():
    assert container.info(GOLDEN) == {
        "format": 0,
        "model_id": "0102030405060708",
        "width": 300,
        "height": 5,
        "quality": 50.0,
        "transposed": True,
        "lanes": 2,
        "groups": 1,
        "exceptions": 2,
        "chunks": {"iccp": 3},
        "bytes": len(GOLDEN),
        "header_bytes": 23,
        "payload_bytes": 26,
        "bpp": 8 * len(GOLDEN) / 1500,
    }


@pytest.mark.parametrize("length", range(len(GOLDEN)))
def test_every_truncation_is_an_error(length):
    with pytest.raises(BitstreamError):
        unpack(GOLDEN[:length])


@pytest.mark.parametrize("missing", range(1, 28))
def test_a_cut_payload_is_truncated(missing):
    with pytest.raises(BitstreamError, match=f"{missing} bytes are missing") as error:
        unpack(GOLDEN[:-missing])
    assert error.value.reason is Reason.TRUNCATED


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


def test_every_flipped_bit_is_an_error():
    for bit in range(8 * len(GOLDEN)):
        damaged = bytearray(GOLDEN)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(BitstreamError):
            unpack(damaged)


def test_every_flipped_bit_under_a_good_checksum_is_an_error_or_another_stream():
    for bit in range(8 * (len(GOLDEN) - 4)):
        damaged = bytearray(GOLDEN[:-4])
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            stream = unpack(sealed(bytes(damaged)))
        except BitstreamError:
            continue
        damaged[5] &= 0x3F  # flags that a reader ignores
        assert pack(stream) == sealed(bytes(damaged))


HUGE = b"\xff\xff\xff\xff\x0f"  # 2^32 - 1
DAMAGED = {
    "foreign": (b"\x89PNG\r\n\x1a\n" * 8, "not an MCM stream"),
    "empty": (b"", "not an MCM stream"),
    "newer": (b"MCM\x1a\x01", "format version 1"),
    "newer-before-checksum": (start(version=9) + bytes(40), "format version 9"),
    "checksum": (raw()[:-1] + b"\x00", "checksum"),
    "flag-2": (raw(start(flags=0x04)), "unknown flags 0x04"),
    "flag-3": (raw(start(flags=0x08)), "unknown flags 0x08"),
    "flag-4": (raw(start(flags=0x10)), "unknown flags 0x10"),
    "flag-5": (raw(start(flags=0x20)), "unknown flags 0x20"),
    "quality": (raw(start(quality=10001)), "quality 10001"),
    "width-0": (raw(size=b"\x00\x01"), "0x1 pixels"),
    "height-0": (raw(size=b"\x01\x00"), "1x0 pixels"),
    "overlong-varint": (raw(size=b"\x81\x00\x01"), "longer than needed"),
    "overlong-zero": (raw(exceptions=b"\x80\x00"), "longer than needed"),
    "varint-of-33-bits": (raw(size=b"\xff\xff\xff\xff\x1f\x01"), "above 2^32"),
    "varint-of-6-bytes": (raw(size=b"\xff\xff\xff\xff\xff\x01\x01"), "more than 5 bytes"),
    "huge-image": (raw(size=HUGE + HUGE), "limit"),
    "lanes-6": (raw(lanes=b"\x06"), "2^6 lanes"),
    "groups-without-32-lanes": (raw(lanes=b"\x14"), "groups"),
    "groups-6": (raw(lanes=b"\x65", words=bytes(64), payload=bytes(8192)), "groups"),
    "huge-exceptions": (raw(exceptions=HUGE), "declared"),
    "huge-words": (raw(words=HUGE), "declared"),
    "huge-groups": (raw(lanes=b"\x55", words=HUGE * 32), "declared"),
    "words-one-too-many": (raw(words=b"\x01"), "declared"),
    "missing-word-counts": (raw(lanes=b"\x55"), "declared"),
    "pixel-rule": (raw(size=b"\x81\x80\x02\x05"), "padding"),
    "no-padding-needed": (raw(payload=b"\x00\x00\x01\x00\x00"), "padding"),
    "too-much-padding": (raw(size=b"\x81\x80\x02\x04", payload=bytes(6)), "padding"),
    "padding-not-zero": (raw(size=b"\x81\x80\x02\x04", payload=bytes(4) + b"\x01"), "not zero"),
    "exceptions-out-of-order": (
        raw(exceptions=b"\x02", payload=b"\x01\0\0\0\x01\0" * 2 + bytes(4)),
        "out of order",
    ),
    "exception-of-zero": (raw(exceptions=b"\x01", payload=bytes(10)), "zero"),
    "chunk-critical": (raw(start(flags=2), chunks=b"\x01Tile\x00"), "must not be ignored"),
    "chunk-not-letters": (raw(start(flags=2), chunks=b"\x01ab1d\x00"), "type 'ab1d'"),
    "chunk-latin": (raw(start(flags=2), chunks=b"\x01ab\xe9d\x00"), "type"),
    "chunk-twice": (raw(start(flags=2), chunks=b"\x02iccp\x00iccp\x00"), "two chunks"),
    "chunk-huge": (raw(start(flags=2), chunks=b"\x01iccp" + HUGE), "declared"),
    "chunks-huge": (raw(start(flags=2), chunks=HUGE), "4294967295 of them"),
    "chunks-256": (raw(start(flags=2), chunks=b"\x80\x02"), "and 256 of them"),
    "chunks-none": (raw(start(flags=2), chunks=b"\x00"), "and 0 of them"),
    "chunks-without-flag": (raw(chunks=b"\x01iccp\x00"), "padding"),
}


@pytest.mark.parametrize("data, complaint", DAMAGED.values(), ids=DAMAGED)
def test_damage_is_named(data, complaint):
    with pytest.raises(BitstreamError, match=complaint.replace("^", r"\^")):
        unpack(data)


def test_what_a_reader_may_ignore():
    assert_same(unpack(raw(start(flags=0xC0))), unpack(raw()))
    assert unpack(raw(start(flags=2), chunks=b"\x01abcD\x02hi")).chunks == {"abcD": b"hi"}


def test_padding_is_exact():
    for width, payload in (32768 * 4, 4), (32768 * 4 + 1, 5), (32768 * 9, 9):
        stream = unpack(raw(payload=b"\x00\x00\x01\x00"))
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
    "coded.lanes": {"lanes": 3},
    "coded.groups": {"groups": 2},
    "coded.segments": {"segments": [bytes(7)]},
    "coded.missing-segment": {"segments": []},
    "coded.order": {"exception_indexes": torch.tensor([7, 7])},
    "coded.range": {"exception_indexes": torch.tensor([7, 2**32])},
    "coded.zero": {"exception_differences": torch.tensor([0, 1], dtype=torch.int16)},
    "coded.lengths": {"exception_differences": torch.tensor([1], dtype=torch.int16)},
}


@pytest.mark.parametrize("name", BAD_FIELDS)
def test_pack_refuses_what_unpack_would(name):
    stream = golden_stream()
    if name.startswith("coded"):
        stream.coded = dataclasses.replace(stream.coded, **BAD_FIELDS[name])
    else:
        stream = dataclasses.replace(stream, **BAD_FIELDS[name])
    with pytest.raises(ValueError, match="a stream cannot hold"):
        pack(stream)


@pytest.mark.parametrize("data", [5, "MCM", None], ids=str)
def test_only_bytes_are_unpacked(data):
    with pytest.raises(TypeError):
        unpack(data)


LETTERS = "abcdefghijklmnopqrstuvwxyz"
CHUNK_TYPES = st.builds(
    str.__add__,
    st.sampled_from(LETTERS),
    st.text(LETTERS + LETTERS.upper(), min_size=3, max_size=3),
)


@st.composite
def streams(draw: st.DrawFn) -> Stream:
    log_lanes = draw(st.integers(0, 5))
    groups = 1 << (draw(st.integers(0, 2)) if log_lanes == 5 else 0)
    lanes = 1 << log_lanes
    words = draw(st.lists(st.integers(0, 200), min_size=groups, max_size=groups))
    byte = draw(st.integers(0, 255))
    segments = [bytes([byte]) * (4 * lanes + 2 * n) for n in words]
    exceptions = draw(
        st.dictionaries(
            st.integers(0, 2**32 - 1), st.integers(-32768, 32767).filter(bool), max_size=8
        )
    )
    indexes = sorted(exceptions)
    coded = Coded(
        lanes,
        groups,
        torch.tensor(indexes, dtype=torch.int64),
        torch.tensor([exceptions[i] for i in indexes], dtype=torch.int16),
        segments,
    )
    width, height = draw(st.integers(1, 2**32 - 1)), 1
    if width < 2**14:
        height = draw(st.integers(1, 2**14))
    return Stream(
        draw(st.binary(min_size=8, max_size=8)),
        draw(st.integers(0, 10000)),
        width,
        height,
        draw(st.booleans()),
        coded,
        draw(st.dictionaries(CHUNK_TYPES, st.binary(max_size=200), max_size=3)),
    )


@settings(max_examples=100, deadline=None)
@given(streams())
def test_round_trip(stream):
    data = pack(stream)
    back = unpack(data, max_pixels=2**64)
    assert_same(back, stream)
    assert pack(back) == data


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_give_a_stream_or_bitstream_error(tail):
    try:
        stream = unpack(sealed(start(flags=2) + tail))
    except BitstreamError:
        return
    assert pack(stream) == sealed(start(flags=2) + tail)
