"""The operators of torch: what they give, and that compilers may rely on what they say."""

import numpy as np
import pytest
import torch
from conftest import noise

import mcm_fast
from mcm_fast.integrations import torch_ops

OPS = torch.ops.mcm_fast


@pytest.fixture(scope="module")
def stream() -> torch.Tensor:
    data = mcm_fast.compress(noise(40, 50), 30)
    return torch.from_numpy(np.frombuffer(data, np.uint8).copy())


def test_they_are_the_functions(stream):
    image = noise(40, 50)
    assert torch.equal(OPS.compress(image, 30.0), stream)
    assert torch.equal(torch_ops.compress(image.float() / 255, 30.0), stream)
    expected = mcm_fast.decompress(stream.numpy().tobytes())
    assert torch.equal(OPS.decompress(stream), expected)
    assert torch.equal(OPS.decompress(stream, [3, 40, 50], "small", "faithful"), expected)
    doubled = torch.stack((stream, stream), 1)[:, 0]  # not contiguous
    assert torch.equal(OPS.decompress(doubled), expected)


def test_opcheck(stream):
    for arguments in ((stream,), (stream, [3, 40, 50]), (stream, None, "small", "perceptual")):
        torch.library.opcheck(OPS.decompress, arguments)
    for arguments in ((noise(40, 50), 30.0), (torch.rand(1, 20, 30),)):
        torch.library.opcheck(OPS.compress, arguments)


def test_refused(stream):
    with pytest.raises(ValueError, match="not of size"):
        OPS.decompress(stream, [3, 40, 51])
    for bad in (stream.int(), stream[None]):
        with pytest.raises(ValueError, match="a stream is"):
            OPS.decompress(bad)
    with pytest.raises(mcm_fast.BitstreamError):
        OPS.decompress(stream[:-1])


@pytest.mark.parametrize("size", [None, [3, 40, 50]])
def test_a_graph_without_breaks(stream, size):
    network = torch.nn.Linear(3, 2)

    def forward(stream: torch.Tensor) -> torch.Tensor:
        return network((OPS.decompress(stream, size).float() / 255).mean((1, 2))).sum()

    torch._dynamo.reset()
    compiled = torch.compile(forward, fullgraph=True, backend="aot_eager")
    found = compiled(stream)
    found.backward()
    torch.testing.assert_close(found, forward(stream))
    assert network.weight.grad.abs().sum() > 0
    exported = torch.export.export(
        _Module(network, size), (stream,), dynamic_shapes={"stream": {0: torch.export.Dim.DYNAMIC}}
    )
    other = OPS.compress(noise(40, 50), 60.0)
    torch.testing.assert_close(exported.module()(other), forward(other))


class _Module(torch.nn.Module):
    def __init__(self, network: torch.nn.Module, size: list[int] | None):
        super().__init__()
        self.network, self.size = network, size

    def forward(self, stream: torch.Tensor) -> torch.Tensor:
        pixels = OPS.decompress(stream, self.size).float() / 255
        return self.network(pixels.mean((1, 2))).sum()
