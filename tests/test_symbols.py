"""The coder alone on tensors: the same bytes by the CPU's own coder and by the warp coder."""

import dataclasses

import pytest
import torch
from conftest import GPU

from mcm_fast.errors import BitstreamError
from mcm_fast.symbols import Segments, SymbolTables, decode_symbols, encode_symbols

CDF = torch.tensor([0, 100, 16000, 16383, 0, 1, 16383, 0, 8000], dtype=torch.int16)
START = torch.tensor([0, 4, 7, 9], dtype=torch.int32)
MINIMUM = torch.tensor([-1, 7, 0], dtype=torch.int32)


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=GPU)])
def tables(request):
    return SymbolTables(CDF, START, MINIMUM, request.param)


def symbols(tables, count):
    generator = torch.Generator().manual_seed(count)
    numbers = torch.randint(0, 3, (count,), generator=generator, dtype=torch.int32)
    values = torch.randint(-3, 9, (count,), generator=generator, dtype=torch.int16)
    return values.to(tables.device), numbers.to(tables.device)


@pytest.mark.parametrize("layout", [(1, 1), (8, 1), (32, 1), (32, 32), (32, 64), (32, 1024)])
@pytest.mark.parametrize("count", [0, 1, 3000])
def test_round_trip(tables, layout, count):
    values, numbers = symbols(tables, count)
    segments = encode_symbols(tables, values, numbers, *layout)
    assert (segments.lanes, segments.groups) == layout
    assert int(segments.sizes.sum()) == len(segments.payload) >= 2 * layout[0] * layout[1]
    assert torch.equal(decode_symbols(tables, segments, numbers), values)


@pytest.mark.parametrize("groups", [2, 64])
def test_damage(tables, groups):
    values, numbers = symbols(tables, 3000)
    whole = encode_symbols(tables, values, numbers, 32, groups)
    with pytest.raises(BitstreamError):
        decode_symbols(tables, dataclasses.replace(whole, payload=whole.payload.flip(0)), numbers)
    for sizes in (whole.sizes - 1, whole.sizes[1:], whole.sizes[:0], -whole.sizes):
        with pytest.raises(BitstreamError, match="add up"):
            decode_symbols(tables, dataclasses.replace(whole, sizes=sizes), numbers)


@pytest.mark.parametrize("groups", [2, 64])
def test_no_such_table(tables, groups):
    values, numbers = symbols(tables, 3000)
    segments = encode_symbols(tables, values, numbers, 32, groups)
    with pytest.raises(ValueError, match=r"not in 0\.\.2"):
        encode_symbols(tables, values, numbers + 1, 32, groups)
    with pytest.raises(ValueError, match=r"not in 0\.\.2"):
        decode_symbols(tables, segments, numbers - 1)


@pytest.mark.parametrize("layout", [(3, 1), (32, 48), (8, 2), (32, 16384), (0, 1), (32, -1)])
def test_no_such_layout(tables, layout):
    with pytest.raises(ValueError, match="power of two"):
        encode_symbols(tables, *symbols(tables, 3000), *layout)


def test_wrong_tensors(tables):
    values, numbers = symbols(tables, 3000)
    with pytest.raises(ValueError, match="3000 values, but 2999"):
        encode_symbols(tables, values, numbers[1:])
    with pytest.raises(ValueError, match=r"expected a vector of torch\.int16"):
        encode_symbols(tables, values.float(), numbers)
    with pytest.raises(ValueError, match="begin with 0"):
        SymbolTables(CDF + 1, START, MINIMUM)


def test_a_missing_extension_names_its_build(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "mcm_fast._CUDA", None)
    with pytest.raises(ImportError, match=r"MCM_FAST_CUDA=1 pip install \."):
        SymbolTables(CDF, START, MINIMUM, "cuda")


@GPU
def test_devices_exchange():
    """What one codes, the other codes too, and reads."""
    tables = [SymbolTables(CDF, START, MINIMUM, device) for device in ("cpu", "cuda")]
    values, numbers = symbols(tables[0], 3000)
    for groups in (1, 64):
        on_cpu = encode_symbols(tables[0], values, numbers, 32, groups)
        on_gpu = encode_symbols(tables[1], values.cuda(), numbers.cuda(), 32, groups)
        assert torch.equal(on_gpu.payload.cpu(), on_cpu.payload)
        moved = Segments(32, groups, on_cpu.sizes.cuda(), on_cpu.payload.cuda())
        assert torch.equal(decode_symbols(tables[1], moved, numbers.cuda()).cpu(), values)
