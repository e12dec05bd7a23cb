"""What tests of the CUDA engine share: on a GPU, or on the CPU with its kernels interpreted."""

from collections.abc import Iterator

import pytest
import torch
from interpreter import quick_interpreter
from test_engines import assert_same_parameters, latents_like

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
CASES = [(1, 1, 2.0, 0), (2, 3, 0.3, 1429), (1, 2, 40.0, 5000), (5, 7, 1e6, 10000)]


@pytest.fixture(scope="module")
def interpreted() -> Iterator[None]:
    with quick_interpreter():
        yield


def items_like(codec, *cases):
    """(y, z, quality) of cases (height, width, spread, quality)."""
    return [
        (*latents_like(codec, height, width, spread, seed), quality)
        for seed, (height, width, spread, quality) in enumerate(cases)
    ]


def assert_decoded(found, items, parameters):
    for (y, z, decoded), (*latents, _), expected in zip(found, items, parameters, strict=True):
        assert torch.equal(y.cpu(), latents[0]) and torch.equal(z.cpu(), latents[1])
        assert_same_parameters(decoded, expected)
