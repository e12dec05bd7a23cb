"""The warp coder's bodies as host code, for symbols alone: the CPU's and the reference's bytes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_warp_coder import CASES, LAYOUTS, TABLES, damaged, is_refused
from warp_pictures import launch, spread

from mcm_fast.exact.extension import extension
from mcm_fast.exact.rans import Writer

BAD_TABLE = 32


def symbols_fields(tables, values, numbers, lanes, groups):
    states = lanes * groups
    words = 2 * -(-len(values) // states) * states
    blob = extension().warp.pack_tables(*tables, 0, len(tables[2]))
    return {
        "count": len(values),
        "lanes": lanes,
        "groups": groups,
        "tables": blob,
        "tables_size": blob.size,
        "tables_count": len(tables[2]),
        "values": np.array(values, np.int16),
        "numbers": np.array(numbers, np.int32),
        "payload": np.zeros(words + 2 * states, np.uint16),
        "segment_at": np.zeros(groups, np.int64),
        "segment_size": np.zeros(groups, np.int32),
        "words": np.zeros(words, np.uint16),
        "states": np.zeros(states, np.uint32),
        "error": np.zeros(1, np.int32),
    }


def encode_symbols(tables, values, numbers, lanes, groups):
    fields = symbols_fields(tables, values, numbers, lanes, groups)
    launch("encode_symbols", fields)
    assert fields["error"] == 0
    ends = fields["segment_at"] + fields["segment_size"]
    pairs = zip(fields["segment_at"].tolist(), ends.tolist(), strict=True)
    return [fields["payload"][first:end].tobytes() for first, end in pairs]


def decode_symbols(tables, segments, numbers, lanes, groups, guard=0):
    """(values, error)"""
    fields = symbols_fields(tables, np.full(len(numbers), 77), numbers, lanes, groups)
    payload, at, size = spread(segments, guard)
    launch("decode_symbols", fields | {"payload": payload, "segment_at": at, "segment_size": size})
    return fields["values"], int(fields["error"][0])


def random_symbols(count, seed=0):
    rng = np.random.default_rng(seed)
    numbers = rng.integers(0, TABLES.count, count).astype(np.int32)
    return TABLES.draw(rng, numbers, 0 * numbers, 0.1), numbers


def reference_segments(values, numbers, lanes, groups):
    writer = Writer()
    for value, number in zip(values.tolist(), numbers.tolist(), strict=True):
        TABLES.put(writer, number, 0, value)
    return writer.segments(lanes, groups)


@pytest.mark.parametrize(("lanes", "groups"), LAYOUTS)
@pytest.mark.parametrize("count", [0, 1, 31, 5000])
def test_warp_symbols_are_the_cpus(count, lanes, groups):
    values, numbers = random_symbols(count)
    segments = encode_symbols(TABLES.arrays, values, numbers, lanes, groups)
    expected = extension().encode_symbols(*TABLES.arrays, values, numbers, lanes, groups)
    assert segments == expected == reference_segments(values, numbers, lanes, groups)
    found, error = decode_symbols(TABLES.arrays, segments, numbers, lanes, groups)
    np.testing.assert_array_equal(found, values)
    assert error == 0


@pytest.mark.parametrize("groups", [64, 512, 8192])
def test_more_groups_than_a_stream_has(groups):
    values, numbers = random_symbols(70 * groups)
    segments = encode_symbols(TABLES.arrays, values, numbers, 32, groups)
    if groups == 64:
        assert segments == reference_segments(values, numbers, 32, groups)
    found, error = decode_symbols(TABLES.arrays, segments, numbers, 32, groups)
    np.testing.assert_array_equal(found, values)
    assert error == 0


@settings(deadline=None)
@given(st.data())
def test_any_tables_any_values(data):
    inner = st.sets(st.integers(1, 2**14 - 1), min_size=1, max_size=40)
    cdfs = [[0, *sorted(table)] for table in data.draw(st.lists(inner, min_size=1))]
    cdf = np.concatenate(cdfs).astype(np.int16)
    start = np.cumsum([0, *map(len, cdfs)]).astype(np.int32)
    minimum = np.array([data.draw(st.integers(-300, 300)) for _ in cdfs], np.int32)
    near = st.integers(-350, 350) | st.integers(-(2**15), 2**15 - 1)
    symbols = data.draw(st.lists(st.tuples(near, st.integers(0, len(cdfs) - 1))))
    values = np.array([value for value, _ in symbols], np.int16)
    numbers = np.array([number for _, number in symbols], np.int32)
    tables, layout = (cdf, start, minimum), data.draw(st.sampled_from(LAYOUTS))
    segments = encode_symbols(tables, values, numbers, *layout)
    assert segments == extension().encode_symbols(*tables, values, numbers, *layout)
    found, error = decode_symbols(tables, segments, numbers, *layout)
    np.testing.assert_array_equal(found, values)
    assert error == 0


@pytest.mark.parametrize("number", range(len(CASES)), ids=CASES)
def test_damage(number):
    values, numbers = random_symbols(4000)
    segments = encode_symbols(TABLES.arrays, values, numbers, 32, 2)
    _, segments, bits = list(damaged(segments))[number]
    found, error = decode_symbols(TABLES.arrays, segments, numbers, 32, 2)
    assert error & bits == bits
    assert (error != 0) == is_refused(numbers, segments, 32, 2)
    again, _ = decode_symbols(TABLES.arrays, segments, numbers, 32, 2, guard=0xFFFF)
    np.testing.assert_array_equal(again, found)  # what lies behind a segment is not read


@settings(deadline=None)
@given(st.binary(min_size=2, max_size=200), st.sampled_from(LAYOUTS[:6]))
def test_random_words(segment, layout):
    numbers = np.arange(60) % TABLES.count
    segment = segment[: len(segment) // 2 * 2]
    error = decode_symbols(TABLES.arrays, [segment], numbers, *layout)[1]
    assert (error != 0) == is_refused(numbers, [segment], *layout)


@pytest.mark.parametrize("number", [-1, TABLES.count, 2**31 - 1, -(2**31)])
@pytest.mark.parametrize("launcher", ["encode_symbols", "decode_symbols"])
def test_no_such_table(number, launcher):
    numbers = np.zeros(40, np.int32)
    numbers[33] = number
    fields = symbols_fields(TABLES.arrays, np.zeros(40), numbers, 32, 1)
    fields["segment_size"][0] = 64
    launch(launcher, fields)
    assert fields["error"] & BAD_TABLE


@pytest.mark.parametrize(
    ("lanes", "groups"), [(0, 1), (3, 1), (64, 1), (16, 2), (32, 16384), (32, 3), (-1, 1)]
)
def test_layouts_that_are_not(lanes, groups):
    fields = symbols_fields(TABLES.arrays, np.zeros(4), np.zeros(4), 32, 1)
    for launcher in ("encode_symbols", "decode_symbols"):
        with pytest.raises(ValueError, match=str(groups if lanes in (16, 32) else lanes)):
            launch(launcher, {**fields, "lanes": lanes, "groups": groups})


def test_wrong_fields():
    warp = extension().warp
    with pytest.raises(ValueError, match="fields expected, not 2"):
        warp.begin([1, 2], 0)
    with pytest.raises(ValueError, match="no tables 1 to"):
        warp.pack_tables(*TABLES.arrays, 1, TABLES.count)
    fields = symbols_fields(TABLES.arrays, np.zeros(4), np.zeros(4), 1, 1)
    with pytest.raises(ValueError, match="aligned"):
        launch("decode_symbols", {**fields, "tables": fields["tables"][2:]})
