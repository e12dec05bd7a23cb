"""The warp coder's bodies as host code, for images: the same as the reference, byte for byte."""

import numpy as np
import pytest
from warp_pictures import Picture, Tables, decode, decoding, encode

from mcm_fast.errors import BitstreamError
from mcm_fast.exact.extension import extension
from mcm_fast.exact.rans import Reader, lanes_for

LAYOUTS = [(1, 1), (2, 1), (4, 1), (8, 1), (16, 1), (32, 1), (32, 2), (32, 8), (32, 32)]
TABLES = Tables(np.random.default_rng(0))
BAD_WORDS, BAD_EXCEPTIONS, BAD_LAYOUT, UNFINISHED = 2, 4, 8, 16


def damaged(segments):
    """(name, segments, bits that must be set) of damage of every kind."""
    first, *rest = segments
    yield "truncated by a word", [first[:-2], *rest], BAD_WORDS
    yield "truncated by half", [first[: len(first) // 4 * 2], *rest], BAD_WORDS
    yield "states alone", [first[:128], *rest], BAD_WORDS
    yield "not even the states", [first[:126], *rest], BAD_LAYOUT
    yield "empty", [b"", *rest], BAD_LAYOUT
    yield "a word too many", [first + b"\0\0", *rest], BAD_WORDS
    yield "another state", [bytes([first[0] ^ 1]) + first[1:], *rest], 0
    yield "a state of zero", [b"\0\0\0\0" + first[4:], *rest], 0
    yield "states of ones", [b"\xff" * 128 + first[128:], *rest], 0
    yield "other words", [first[:128] + b"\xff" * (len(first) - 128), *rest], 0
    yield "groups swapped", [*rest, first], 0


CASES = [name for name, *_ in damaged([b"\0" * 400] * 2)]


def is_refused(numbers, segments, lanes, groups) -> bool:
    """Does the reference refuse it? (A bit that ends up in an escape's raw bits passes.)"""
    try:
        reader = Reader(segments, lanes, groups)
        for number in numbers.tolist():
            if reader.get(TABLES.edges[number]) == TABLES.sizes[number] - 1:
                reader.get_raw()
        reader.finish()
    except BitstreamError:
        return True
    return False


def assert_decoded(pictures, d, errors):
    assert d["error"].tolist() == errors
    for b, (picture, error) in enumerate(zip(pictures, errors, strict=True)):
        if error == 0:
            y, z = d["y"][d["y_at"][b] :], d["z"][d["z_at"][b] :]
            np.testing.assert_array_equal(y[: picture.y.size], picture.y)
            np.testing.assert_array_equal(z[: picture.z.size], picture.z)
            seen = d["seen"][d["y_at"][b] :][: picture.y.size]
            np.testing.assert_array_equal(seen, picture.y.clip(-127, 127))


@pytest.mark.parametrize(("lanes", "groups"), LAYOUTS)
def test_decode_one(lanes, groups):
    picture = Picture(TABLES, 9, 13)
    d = decoding(TABLES, [(picture, lanes, groups, picture.writer().segments(lanes, groups))])
    decode([picture], d)
    assert_decoded([picture], d, [0])


def test_decode_more_than_a_chunk_at_a_step():
    """A chunk is 2048 latents."""
    picture = Picture(TABLES, 13, 30, escapes=0.01, channels=200)
    assert max(picture.counts) > 2 * 2048
    d = decoding(TABLES, [(picture, 32, 4, picture.writer().segments(32, 4))])
    decode([picture], d)
    assert_decoded([picture], d, [0])


def batch_of(sizes=((1, 1), (6, 9), (2, 1), (8, 3)), escapes=0.1):
    pictures = [Picture(TABLES, *size, seed=b, escapes=escapes) for b, size in enumerate(sizes)]
    layouts = [LAYOUTS[2 * b % len(LAYOUTS)] for b in range(len(sizes))]
    pairs = zip(pictures, layouts, strict=True)
    return pictures, [(p, *layout, p.writer().segments(*layout)) for p, layout in pairs]


@pytest.mark.parametrize("escapes", [0, 0.1])
def test_decode_a_batch(escapes):
    """With escapes and exceptions, and with neither."""
    pictures, streams = batch_of(escapes=escapes)
    d = decoding(TABLES, streams)
    assert (d["difference_at"] < 0).all() == (escapes == 0)
    decode(pictures, d)
    assert_decoded(pictures, d, [0] * 4)


def test_empty_places_are_left_alone():
    pictures, streams = batch_of()
    d = decoding(TABLES, streams)
    d["height"][2] = 0
    d["lanes"][2] = d["segment_at"][2] = 2**31 - 1
    decode(pictures, d)
    assert d["error"].tolist() == [0] * 4 and not d["y"][d["y_at"][2] : d["y_at"][3]].any()


@pytest.mark.parametrize("number", range(len(CASES)), ids=CASES)
def test_damage_spoils_only_its_own_image(number):
    pictures = [Picture(TABLES, 8, 11, seed=b) for b in range(3)]
    streams = [(p, 32, 2, p.writer().segments(32, 2)) for p in pictures]
    _, segments, bits = list(damaged(streams[1][3]))[number]
    streams[1] = pictures[1], 32, 2, segments
    found = []
    for guard in (0, 0xFFFF):
        d = decoding(TABLES, streams, guard)
        errors = decode(pictures, d).tolist()
        assert errors[0] == errors[2] == 0 and errors[1] & bits == bits
        assert (errors[1] != 0) == is_refused(pictures[1].visits()[0], segments, 32, 2)
        assert_decoded([pictures[0]], d | {"error": d["error"][:1]}, [0])
        found.append(d["y"])
    np.testing.assert_array_equal(*found)  # what lies behind a segment is not read


@pytest.mark.parametrize(("lanes", "groups"), [(0, 1), (3, 1), (64, 1), (16, 2), (32, 64), (-1, 0)])
def test_layouts_no_image_has(lanes, groups):
    pictures, streams = batch_of()
    d = decoding(TABLES, streams)
    d["lanes"][1], d["groups"][1] = lanes, groups
    assert decode(pictures, d).tolist() == [0, BAD_LAYOUT, 0, 0]


def test_exceptions_of_coded_latents():
    pictures, streams = batch_of()
    d = decoding(TABLES, streams)
    d["exceptions"][3] += 1
    assert decode(pictures, d).tolist() == [0, 0, 0, BAD_EXCEPTIONS]


def test_too_few_steps():
    pictures, streams = batch_of()
    d = decoding(TABLES, streams)
    errors = decode(pictures, d, steps=len(pictures[1].counts) - 1)
    assert errors[1] & UNFINISHED and errors[0] == 0


@pytest.mark.parametrize("escapes", [0, 0.01, 0.5])
def test_encode_a_batch(escapes):
    pictures = batch_of(((1, 1), (6, 9), (2, 1), (31, 29)), escapes)[0]
    results = encode(TABLES, pictures, guard=55)
    for picture, (*coded, exceptions) in zip(pictures, results, strict=True):
        assert tuple(coded) == picture.writer().finish()
        assert exceptions == picture.exceptions()


@pytest.mark.parametrize(
    ("size", "states"), [((25, 40), 32), ((40, 60), 64), ((150, 200), 512), ((460, 400), 1024)]
)
def test_encode_chooses_the_lanes(size, states):
    """All escapes, 4 bytes and more a latent; with base 0, as the CPU's coder alone has it."""
    picture = Picture(TABLES, *size, escapes=1)
    picture.bases[:] = 0
    picture.step_bases[~picture.certain] = 0
    numbers, _, values = picture.visits()
    symbols = *TABLES.arrays, values, numbers.astype(np.int32)
    assert lanes_for(len(extension().encode_symbols(*symbols, 32, 1)[0])) == states
    lanes, groups, segments, _ = encode(TABLES, [picture])[0]
    assert (lanes, groups) == (min(states, 32), max(states // 32, 1))
    assert segments == extension().encode_symbols(*symbols, lanes, groups)
