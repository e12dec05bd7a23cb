"""Tables for the coder alone, made from probabilities."""

import math
import re

import pytest
import torch

from mcm_fast import symbols
from mcm_fast.symbols import SymbolTables, decode_symbols, encode_symbols


def test_the_example_in_the_docstring():
    lines = re.findall(r"^    (.*)$|^$", symbols.__doc__, flags=re.M)
    exec("\n".join(lines), {})


def test_a_code_is_as_long_as_its_entropy():
    generator = torch.Generator().manual_seed(1)
    probabilities = torch.tensor([[0.5, 0.25, 0.125, 0.125], [0.01, 0.04, 0.15, 0.8]])
    numbers = torch.randint(0, 2, (40_000,), generator=generator, dtype=torch.int32)
    values = torch.multinomial(probabilities[numbers], 1, generator=generator).flatten().short() - 2
    tables = SymbolTables.from_probabilities(list(probabilities), first=[-2, -2])
    segments = encode_symbols(tables, values, numbers, lanes=1)
    assert torch.equal(decode_symbols(tables, segments, numbers), values)
    bits = -probabilities[numbers, values.long() + 2].log2().sum().item()
    assert bits < 16 * len(segments.payload) < 1.001 * bits + 32


@pytest.mark.parametrize(
    "mass", [[], [0.0, 0.0], [0.5, 0.7], [0.5, -0.1], [math.nan, 0.5], [[0.5, 0.5]], [1e-5] * 2**14]
)
def test_no_probabilities(mass):
    with pytest.raises(ValueError):
        SymbolTables.from_probabilities([mass], first=[0])


def test_as_many_first_values_as_tables():
    with pytest.raises(ValueError, match="1 tables, but 2"):
        SymbolTables.from_probabilities([[1.0]], first=[0, 1])
