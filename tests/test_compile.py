"""torch.compile and torch.export over what calls a codec."""

import subprocess
import sys
import warnings

import pytest
import torch
from conftest import noise

import mcm_fast

IMAGE = noise(40, 50)
CALLS = {
    "decompress": lambda codec, stream: codec.decompress(stream),
    "decompress_many": lambda codec, stream: codec.decompress_many([stream])[0],
    "compress": lambda codec, stream: codec.decompress(codec.compress(IMAGE)),
    "steps": lambda codec, stream: codec.synthesis(
        codec.decode(codec.encode(codec.analysis(IMAGE)))
    ),
    "module": lambda codec, stream: mcm_fast.decompress(mcm_fast.compress(IMAGE)),
    "module, many": lambda codec, stream: mcm_fast.decompress_many(mcm_fast.compress_many([IMAGE]))[
        0
    ],
    "load": lambda codec, stream: (
        mcm_fast.load().with_limits().decompress(mcm_fast.compress(IMAGE))
    ),
    "info": lambda codec, stream: torch.ones(3, 2, mcm_fast.info(stream)["height"]),
}


def healthy() -> bool:
    """What a broken compiler breaks of torch itself."""
    weight = torch.randn(3, requires_grad=True)
    (2 * weight).sum().backward()
    return torch.equal(weight.grad, torch.full((3,), 2.0))


@pytest.mark.parametrize("call", CALLS)
def test_a_training_step_that_decodes(codec, call):
    stream, network = codec.compress(IMAGE), torch.nn.Linear(3, 2)

    def step(stream: bytes) -> torch.Tensor:
        pixels = CALLS[call](codec, stream).float() / 255
        loss = network(pixels.mean((1, 2))).square().sum()
        loss.backward()
        return loss.detach()

    torch._dynamo.reset()
    compiled = torch.compile(step, fullgraph=False, backend="aot_eager")
    for each in (stream, codec.compress(IMAGE, 80), stream):
        network.zero_grad()
        found, gradient = compiled(each), network.weight.grad.clone()
        network.zero_grad()
        torch.testing.assert_close(found, step(each))
        torch.testing.assert_close(gradient, network.weight.grad)
    assert healthy()


def test_the_compiler_is_not_imported():
    """It takes a second."""
    script = (
        "import sys, torch, mcm_fast\n"
        "mcm_fast.decompress(mcm_fast.compress(torch.zeros(3, 8, 8)))\n"
        "assert 'torch._dynamo' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize("compiled", [False, True])
def test_warnings_name_the_callers_line(codec, compiled):
    def call() -> bytes:
        return codec.compress(IMAGE, target_bpp=1e-3)

    torch._dynamo.reset()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.compile(call, backend="eager")() if compiled else call()
    (warning,) = [each for each in caught if "out of reach" in str(each.message)]
    assert warning.filename == __file__


def test_export_of_the_transforms(codec):
    """As a graph without breaks, dynamic in nothing."""
    network, config = codec.network, codec.network.config
    examples = {
        network.analysis: (torch.rand(1, 3, 64, 96),),
        network.synthesis: (
            torch.rand(1, config.latent, 4, 6),
            torch.rand(1, config.hyper_widths[2], 4, 6),
        ),
    }
    for module, example in examples.items():
        exported = torch.export.export(module, example).module()
        torch.testing.assert_close(exported(*example), module(*example))
