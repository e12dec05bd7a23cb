"""The fused GDN in Triton's interpreter against its twin, in half precision."""

import os

import pytest
import torch
from conftest import ON_DEVICE

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # read when the kernels are imported
pytest.importorskip("triton")

from mcm_fast.kernels import gdn
from mcm_fast.network.gdn import GDN

pytestmark = ON_DEVICE
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
def test_on_a_device_that_is_not_current():
    x = torch.randn(1, 24, 2, 2, device="cuda:1").half()
    layer = GDN(24).requires_grad_(False).to(x.device)
    gamma, beta = layer.effective()
    with torch.cuda.device(0):
        found = gdn.normalize(x, gamma.T.contiguous(), beta, False)
    assert torch.allclose(found, layer(x), rtol=2**-9, atol=2**-24)


@pytest.mark.parametrize("inverse", [False, True], ids=["gdn", "inverse"])
@pytest.mark.parametrize("channels", [24, 64, 112, 192])
def test_equals_its_twin(channels, inverse):
    generator = torch.Generator().manual_seed(channels)
    layer = GDN(channels, inverse).requires_grad_(False).to(DEVICE)
    layer.gamma += 0.1 * torch.randn(channels, channels, generator=generator).to(DEVICE)
    layer.beta += torch.rand(channels, generator=generator).to(DEVICE)
    # Magnitudes from a thousandth to a thousand: the squares of most are no half precision numbers.
    x = torch.randn(2, channels, 5, 7, generator=generator)
    x *= 10 ** (6 * torch.rand(x.shape, generator=generator) - 3)
    x = x.half().to(DEVICE, memory_format=torch.channels_last)
    if inverse:  # and yet none of the products is infinite
        x = x.clamp(-100, 100)
    gamma, beta = layer.effective()
    found = gdn.normalize(x, gamma.T.contiguous(), beta, inverse)
    assert found.dtype == torch.float16 and found.is_contiguous(memory_format=torch.channels_last)
    # The twin rounds twice to 11 bits, the scale and the product; the kernel once.
    assert torch.allclose(found, layer(x), rtol=2**-9, atol=2**-24)
    squares = x.double().square().movedim(1, 3) @ gamma.T.double() + beta.double()
    exact = x * (squares if inverse else 1 / squares).sqrt().movedim(3, 1)
    # On Hopper products of tf32 are summed up with truncation: 2^-24 .. 2^-23 for each of up to 72.
    rest = 2**-16 if x.is_cuda else 2**-18
    assert torch.allclose(found.double(), exact, rtol=2**-11 + rest, atol=2**-24)
