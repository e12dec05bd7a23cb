"""The synthesis as a graph: on a GPU; without one with a stand-in (graph_double.py)."""

import copy
import warnings

import pytest
import torch
from conftest import ON_DEVICE, noise
from cuda_engines import DEVICE
from graph_double import stand_in

from mcm_fast import Codec
from mcm_fast.transforms import graphs
from mcm_fast.transforms.graphs import Replays
from mcm_fast.transforms.weights import halve

pytestmark = [ON_DEVICE, pytest.mark.usefixtures("interpreted")]
APART = 1 if DEVICE == "cuda" else 0  # a GPU may choose another algorithm in a capture
ON_HOST = pytest.mark.skipif(DEVICE == "cuda", reason="a GPU has graphs of its own")


@pytest.fixture
def painter() -> Codec:
    """The tiny model on the device; on the CPU with the transforms that a GPU has."""
    codec = Codec.untrained("tiny", device=DEVICE, engine="cpu")
    if DEVICE == "cpu":
        halve(codec.network.synthesis, fused=True)
    return codec


def painted(codec, latents):
    return [codec.synthesis(each, exact=False).cpu() for each in latents]


@pytest.fixture
def latents(codec):
    """Of two shapes, one of them upright and on its side, several qualities, in turns."""
    images = [noise(32, 48, seed) for seed in range(4)]
    pairs = [(image, 20 * i) for i, image in enumerate(images)]
    pairs[2:2] = [(noise(70, 21), 70), (noise(70, 21, 9), 30), (noise(21, 70), 90)]
    return [codec.analysis(image, quality) for image, quality in pairs]


def test_graphs_paint_the_same(painter, latents, monkeypatch):
    """Shapes in turns: neither sees what the other leaves in the memory that they share."""
    monkeypatch.setattr(graphs, "SYNTHESIS", False)
    expected = painted(painter, latents)
    monkeypatch.setattr(graphs, "SYNTHESIS", True)
    cuda = stand_in(monkeypatch) if DEVICE == "cpu" else None
    found = painted(painter, latents + latents)
    assert len(painter._replays._kept) == 2 and not painter._replays._off
    for ours, theirs in zip(found, expected + expected, strict=True):
        assert (ours.int() - theirs.int()).abs().max() <= APART
    if cuda:
        assert cuda.replays == len(found) - 2 and len(cuda.pools) == 1


@ON_HOST
def test_shapes_that_come_once_have_none(painter, codec, monkeypatch):
    cuda = stand_in(monkeypatch)
    painted(painter, [codec.analysis(noise(16, 16 * n)) for n in (1, 2, 3)])
    assert not cuda.launches and len(painter._replays._seen) == 3


@ON_HOST
def test_few_are_kept(painter, codec, monkeypatch):
    monkeypatch.setattr(graphs, "KEPT", 2)
    monkeypatch.setattr(graphs, "REMEMBERED", 3)
    cuda = stand_in(monkeypatch)
    shapes = [codec.analysis(noise(16, 16 * n)) for n in (1, 2, 3)]
    painted(painter, shapes + shapes)
    assert len(painter._replays._kept) == 2 and len(cuda.launches) == 3
    painted(painter, [codec.analysis(noise(48, 16 * n)) for n in (1, 2, 3, 4)])
    assert len(painter._replays._seen) == 3


@ON_HOST
def test_large_pictures_have_none(painter, latents, monkeypatch):
    cuda = stand_in(monkeypatch)
    monkeypatch.setattr(graphs, "LATENTS", 5)
    painted(painter, latents)
    assert not cuda.launches


@ON_HOST
def test_another_network_has_others(painter, latents, monkeypatch):
    """By its own weights, wherever they lie."""
    cuda = stand_in(monkeypatch)
    painted(painter, latents[:1] * 2)
    other = copy.copy(painter)
    other.network = copy.deepcopy(painter.network)
    other.renderings = {name: other.network.synthesis for name in painter.renderings}
    with torch.no_grad():
        other.network.synthesis.stages[-1].conv.bias += 0.25
    assert not torch.equal(*painted(other, latents[:1]), *painted(painter, latents[:1]))
    assert len(cuda.launches) == 1


@ON_HOST
def test_what_cannot_be_captured_goes_on(painter, latents, monkeypatch):
    expected = painted(painter, latents)
    cuda = stand_in(monkeypatch)

    def refused(*_, **__):
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(graphs.graphs, "captured", refused)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = painted(painter, latents)
    assert all(map(torch.equal, found, expected)) and not cuda.launches
    (warning,) = caught
    assert "without CUDA graphs" in str(warning.message) and warning.filename == __file__


@ON_HOST
@pytest.mark.parametrize("reason", ["gradients", "a gradient", "a capture", "autocast"])
def test_where_there_is_none(monkeypatch, reason):
    cuda, replays = stand_in(monkeypatch), Replays()
    x = torch.ones(1, 2, 3, 4, requires_grad=reason == "a gradient")
    if reason == "a capture":
        monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
    with (
        torch.set_grad_enabled(reason == "gradients"),
        torch.autocast("cpu", enabled=reason == "autocast"),
    ):
        for _ in range(3):
            assert torch.equal(replays.paint(lambda x: 2 * x, (x,), ()), 2 * x)
    assert not cuda.launches
    with torch.no_grad():
        x = x.detach()
        monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: False)
        for _ in range(3):
            assert torch.equal(replays.paint(lambda x: 2 * x, (x,), ()), 2 * x)
    assert len(cuda.launches) == 1


@ON_HOST
def test_not_where_something_is_compiled(monkeypatch):
    cuda, replays, x = stand_in(monkeypatch), Replays(), torch.ones(1, 2, 3, 4)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    with torch.no_grad():
        for _ in range(3):
            replays.paint(lambda x: 2 * x, (x,), ())
    assert not cuda.launches


@ON_HOST
def test_inference_mode_in_turns(monkeypatch):
    """Memory that was made in inference mode could not be written to outside of it."""
    cuda, replays = stand_in(monkeypatch), Replays()
    for n in range(6):
        with torch.inference_mode(n % 2 == 1), torch.no_grad():
            x = torch.full((1, 2, 3, 4), float(n))
            assert torch.equal(replays.paint(lambda x: 2 * x, (x,), ()), 2 * x)
    assert len(cuda.launches) == 1 and cuda.replays == 5
