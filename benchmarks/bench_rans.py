"""The coder alone, one thread: 2 M symbols under 64 tables, an index for each symbol."""

import numpy as np
import peers
import pytest
from timing import median

from mcm_fast.exact.extension import extension

TITLE = "The coder alone: 2 M symbols, 64 tables, one thread, million symbols a second"
LAYOUT = (32, 1)
_speeds: dict[str, tuple[float, float]] = {}


@pytest.fixture(scope="module")
def symbols():
    return peers.Symbols(2_000_000)


class Ours:
    name = "mcm_fast"

    def __init__(self, symbols):
        self.ext, self.symbols = extension(), symbols
        self.tables = symbols.cdf, symbols.start, symbols.minimum

    def encode(self):
        return self.ext.encode_symbols(
            *self.tables, self.symbols.values, self.symbols.numbers, *LAYOUT
        )

    def decode(self, data):
        return self.ext.decode_symbols(*self.tables, data, self.symbols.numbers, *LAYOUT)


def measured(make, symbols, report):
    """Million symbols a second, both ways, once the round trip is exact."""
    coder = make(symbols)
    data = coder.encode()
    np.testing.assert_array_equal(coder.decode(data), symbols.values)
    repeats = 9 if coder.name in ("mcm_fast",) else 3
    encode = len(symbols.values) / median(coder.encode, repeats) / 1e6
    decode = len(symbols.values) / median(lambda: coder.decode(data), repeats) / 1e6
    ours = _speeds.setdefault("mcm_fast", (encode, decode))
    row = {"coder": coder.name, "encode": f"{encode:.1f}", "decode": f"{decode:.1f}"}
    ratios = f"{ours[0] / encode:.1f}x / {ours[1] / decode:.1f}x"
    report(TITLE, {**row, "mcm_fast is faster by": ratios})


def test_ours(symbols, report):
    measured(Ours, symbols, report)


@pytest.mark.parametrize("number", range(len(peers.CODERS)))
def test_peer(symbols, report, number):
    try:
        measured(peers.CODERS[number], symbols, report)
    except ImportError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("level", extension().simd_names())
@pytest.mark.parametrize("direction", ["encode", "decode"])
def bench_coder(benchmark, symbols, level, direction):
    before = extension().simd()
    extension().use_simd(level)
    try:
        coder = Ours(symbols)
        data = coder.encode()
        if direction == "encode":
            assert benchmark(coder.encode) == data
        else:
            np.testing.assert_array_equal(benchmark(lambda: coder.decode(data)), symbols.values)
    finally:
        extension().use_simd(before)
