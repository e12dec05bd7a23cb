"""What the fuzzers found worth keeping (fuzz/corpus), through the engines of this build."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hostile import repaired
from safetensors.torch import load_file
from seeds import GOLDEN, small_model

from mcm_fast import BitstreamError, container
from mcm_fast.errors import caught
from mcm_fast.exact.engine import Coded
from mcm_fast.exact.engines import make_engine

CORPUS = Path(__file__).parents[1] / "fuzz" / "corpus"


def inputs(target: str) -> list[bytes]:
    found = [path.read_bytes() for path in sorted((CORPUS / target).iterdir())]
    assert found
    return found


class Fields:
    """Numbers from bytes; what is missing is zero."""

    def __init__(self, data: bytes):
        self.left = data

    def bytes(self, count: int) -> bytes:
        taken, self.left = self.left[:count], self.left[count:]
        return taken

    def number(self, count: int) -> int:
        return int.from_bytes(self.bytes(count), "little")


def case_of(data: bytes) -> tuple[Coded, int, int, int]:
    """A case of fuzz/case.h: what an engine decodes."""
    fields = Fields(data)
    shape, quality, layout = fields.number(1), fields.number(2) % 10001, fields.number(1)
    lanes, groups = 1 << (layout & 7), 1 << (layout >> 3 & 7)
    exceptions = [(fields.number(4), fields.number(2)) for _ in range(fields.number(1))]
    indexes = np.array([index for index, _ in exceptions], np.int64)
    differences = np.array([d for _, d in exceptions], np.int32).astype(np.int16)
    sizes = [4 * lanes + 2 * fields.number(2) for _ in range(groups)]
    coded = Coded(lanes, groups, indexes, differences, [fields.bytes(n) for n in sizes])
    return coded, (shape & 7) + 1, (shape >> 3 & 7) + 1, quality


def outcome(engine, case) -> list[torch.Tensor] | None:
    """y and z, or None if it was refused."""
    [decoded] = engine.decode([case])
    return None if isinstance(decoded, BitstreamError) else list(decoded[:2])


def test_every_engine_says_the_same():
    """The reference of a few latents only: it is slow."""
    model = small_model(load_file(GOLDEN / "model.safetensors"))
    cpu, reference = make_engine(model, "cpu"), make_engine(model, "reference")
    decoded = 0
    for case in map(case_of, inputs("decode")):
        coded, height, width, _ = case
        if coded.lanes > 32 or coded.groups > (32 if coded.lanes == 32 else 1):
            continue  # which a container cannot say
        found = outcome(cpu, case)
        decoded += found is not None
        if height * width > 4:
            continue
        expected = outcome(reference, case)
        assert (found is None) == (expected is None)
        assert found is None or all(map(torch.equal, found, expected))
    assert decoded > 10


def test_containers_are_streams_or_errors():
    for data in inputs("container"):
        stream = caught(container.unpack, data, 2**64)
        if isinstance(stream, BitstreamError):
            continue
        expected = bytearray(data)
        expected[5] &= container.MUST_UNDERSTAND
        assert container.pack(stream) == repaired(bytes(expected))


TARGETS = ["coder", "decode", "model", "pixels", "container", "c", "c_model"]


@pytest.mark.parametrize("target", TARGETS)
def test_the_corpus_is_small(target):
    assert sum(map(len, inputs(target))) < 2**18
