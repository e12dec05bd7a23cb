"""The coder alone: golden words, round trips, parity with the Python twin, damage."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcm_fast.errors import BitstreamError
from mcm_fast.exact.extension import extension
from mcm_fast.exact.rans import Writer

LAYOUTS = [(1, 1), (2, 1), (4, 1), (8, 1), (16, 1), (32, 1), (32, 2), (32, 8), (32, 32)]

# 0: the values 0 and escape, evenly; 1: -1, 0, 1 and escape; 2: one slot for 7, one for the escape.
TABLES = (
    np.array([0, 8192, 0, 100, 16000, 16383, 0, 1, 16383], np.int16),
    np.array([0, 2, 6, 9], np.int32),
    np.array([0, -1, 7], np.int32),
)


def encode(values, tables, lanes=1, groups=1):
    values, tables = np.array(values, np.int16), np.array(tables, np.int32)
    return extension().encode_symbols(*TABLES, values, tables, lanes, groups)


def decode(segments, tables, lanes=1, groups=1):
    tables = np.array(tables, np.int32)
    return extension().decode_symbols(*TABLES, segments, tables, lanes, groups).tolist()


def random_symbols(count, seed=0):
    rng = np.random.default_rng(seed)
    tables = rng.integers(0, 3, count)
    return np.where(
        rng.random(count) < 0.1, rng.integers(-(2**15), 2**15, count), tables // 2
    ), tables


@pytest.mark.parametrize(
    ("values", "lanes", "segment"),
    [
        ([], 1, "00000100"),
        # x = 2^16 / 2^13 * 2^14: a symbol of half the slots doubles the state ...
        ([0], 1, "00000200"),
        ([0] * 15, 1, "00000080"),
        # ... until the sixteenth writes the word 0 first, and x = 2^15 / 2^13 * 2^14.
        ([0] * 16, 1, "000001000000"),
        # The raw 5 writes the word 0: x = 1 * 2^16 + 5; the escape: x = 8 * 2^14 + 5 + 8192.
        ([5], 1, "052002000000"),
        # Lane 1: x = 2^16 + 65535, then 15 * 2^14 + 8191 + 8192; lane 0 does not notice.
        ([0, -1], 2, "00000200ffff03000000"),
        # Lane 1 is encoded first, so its word comes last.
        ([5, -1], 2, "05200200ffff030000000000"),
    ],
)
def test_golden_words(values, lanes, segment):
    assert [s.hex() for s in encode(values, [0] * len(values), lanes)] == [segment]
    assert decode([bytes.fromhex(segment)], [0] * len(values), lanes) == values


def test_words_of_two_lanes_in_the_decoders_order():
    # The words 0, 0 come from the initial states, the other two from what each lane held before.
    values = [0x1111, 0x2222, 0x3333, 0x4444]
    (segment,) = encode(values, [2] * 4, lanes=2)
    words = np.frombuffer(segment[8:], "<u2").tolist()
    assert decode([segment], [2] * 4, lanes=2) == values
    swapped = segment[:8] + np.array(words[::-1], "<u2").tobytes()
    with pytest.raises(BitstreamError):
        decode([swapped], [2] * 4, lanes=2)


@pytest.mark.parametrize(("lanes", "groups"), LAYOUTS)
@pytest.mark.parametrize("count", [0, 1, 31, 5000])
def test_round_trip_and_python_twin(count, lanes, groups):
    values, tables = random_symbols(count)
    segments = encode(values, tables, lanes, groups)
    assert decode(segments, tables, lanes, groups) == values.tolist()
    assert segments == twin(values.tolist(), tables.tolist()).segments(lanes, groups)


def twin(values, tables):
    cdf, start, minimum = (array.tolist() for array in TABLES)
    writer = Writer()
    for value, table in zip(values, tables, strict=True):
        edges = [*cdf[start[table] : start[table + 1]], 1 << 14]
        escape, entry = len(edges) - 2, value - minimum[table]
        entry = entry if 0 <= entry < escape else escape
        writer.put(edges[entry], edges[entry + 1] - edges[entry])
        if entry == escape:
            writer.put_raw(value)
    return writer


@settings(deadline=None)
@given(st.data())
def test_any_tables_any_values(data):
    tables = data.draw(
        st.lists(st.sets(st.integers(1, 2**14 - 1), min_size=1, max_size=40), min_size=1)
    )
    cdf = np.concatenate([[0, *sorted(table)] for table in tables]).astype(np.int16)
    start = np.cumsum([0, *(len(table) + 1 for table in tables)]).astype(np.int32)
    minimum = np.array([data.draw(st.integers(-300, 300)) for _ in tables], np.int32)
    near = st.integers(-350, 350) | st.integers(-(2**15), 2**15 - 1)
    symbols = data.draw(st.lists(st.tuples(near, st.integers(0, len(tables) - 1))))
    values = np.array([value for value, _ in symbols], np.int16)
    numbers = np.array([number for _, number in symbols], np.int32)
    lanes, groups = data.draw(st.sampled_from(LAYOUTS))
    model = cdf, start, minimum
    segments = extension().encode_symbols(*model, values, numbers, lanes, groups)
    found = extension().decode_symbols(*model, segments, numbers, lanes, groups)
    np.testing.assert_array_equal(found, values)


def test_code_length_is_close_to_the_entropy():
    values, tables = np.zeros(8000, np.int16), np.ones(8000, np.int32)
    bits = 8 * (len(encode(values, tables)[0]) - 4)
    ideal = 8000 * np.log2(2**14 / (16000 - 100))
    assert ideal - 32 <= bits <= ideal * 1.001 + 32


def damaged(segments):
    """(name, segments) of every kind of damage that must not pass."""
    first, *rest = segments
    changed = bytes([first[0] ^ 1]) + first[1:]
    yield "truncated by a word", [first[:-2], *rest]
    yield "truncated by a byte", [first[:-1], *rest]
    yield "states alone", [first[:128], *rest]
    yield "not even the states", [first[:127], *rest]
    yield "empty", [b"", *rest]
    yield "a word too many", [first + b"\0\0", *rest]
    yield "a byte too many", [first + b"\0", *rest]
    yield "another state", [changed, *rest]
    yield "a state of zero", [b"\0\0\0\0" + first[4:], *rest]
    yield "groups swapped", [*rest, first]
    yield "a group missing", rest
    yield "a group too many", [*segments, first]
    yield "nothing", []


CASES = [name for name, _ in damaged([b"\0" * 200] * 2)]


@pytest.mark.parametrize("name", CASES)
def test_damage(name):
    values, tables = random_symbols(4000)
    segments = encode(values, tables, 32, 2)
    with pytest.raises(BitstreamError):
        decode(dict(damaged(segments))[name], tables, 32, 2)


def test_wrong_number_of_symbols():
    values, tables = random_symbols(4000)
    segments = encode(values, tables, 4)
    for wrong in (tables[:-1], np.append(tables, 0)):
        with pytest.raises(BitstreamError):
            decode(segments, wrong, 4)


@given(st.binary(max_size=200), st.sampled_from(LAYOUTS[:6]))
def test_random_bytes_decode_or_raise(segment, layout):
    try:
        assert len(decode([segment], [0, 1, 2] * 20, *layout)) == 60
    except BitstreamError:
        pass


@pytest.mark.parametrize(
    ("lanes", "groups"), [(0, 1), (3, 1), (64, 1), (16, 2), (32, 64), (32, 3), (-1, 1)]
)
def test_layouts_the_format_does_not_know(lanes, groups):
    with pytest.raises(ValueError):
        encode([0], [0], lanes, groups)
    with pytest.raises(ValueError):
        decode([b""], [0], lanes, groups)


@pytest.mark.parametrize("table", [-1, 3, 2**31 - 1])
def test_no_such_table(table):
    with pytest.raises(ValueError):
        encode([0], [table])
    with pytest.raises(ValueError):
        decode(encode([0], [0]), [table])


@pytest.mark.parametrize(
    ("cdf", "start", "minimum"),
    [
        ([0], [0, 1], [0]),  # one entry only
        ([1, 5], [0, 2], [0]),  # does not begin with 0
        ([0, 5, 5], [0, 3], [0]),  # not strictly increasing
        ([0, -5], [0, 2], [0]),
        ([0, 16384], [0, 2], [0]),  # no slot left for the escape
        ([0, 5], [0, 3], [0]),  # ends beyond the array
        ([0, 5, 6], [0, 2], [0]),  # ends before the array
        ([0, 5, 0, 5], [0, 4, 2], [0, 0]),  # runs backwards
        ([0, 5], [-2, 2], [0]),
        ([0, 5], [0, 2], [2**31 - 1]),  # beyond 16 bits
        ([0, 5], [0, 2], [0, 0]),
        ([], [0], []),
    ],
)
def test_unsound_tables(cdf, start, minimum):
    tables = np.array(cdf, np.int16), np.array(start, np.int32), np.array(minimum, np.int32)
    with pytest.raises(ValueError):
        extension().encode_symbols(*tables, np.zeros(1, np.int16), np.zeros(1, np.int32), 1, 1)


def test_wrong_types():
    with pytest.raises(ValueError, match="values"):
        extension().encode_symbols(*TABLES, np.zeros(1), np.zeros(1, np.int32), 1, 1)
    with pytest.raises(ValueError, match="as many"):
        encode([0, 0], [0])


def test_crc32c_check_value():
    assert extension().crc32c(b"123456789") == 0xE3069283
    assert extension().crc32c(b"") == 0
    assert extension().crc32c(b"\xff" * 32) == 0x62A8AB43
