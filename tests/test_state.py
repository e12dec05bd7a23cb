"""The caller's torch state changes nothing in what comes out, and is as it was afterwards."""

import contextlib
import copy
import pickle

import pytest
import torch
from conftest import noise

import mcm_fast
from mcm_fast import Codec


@contextlib.contextmanager
def default_dtype():
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@contextlib.contextmanager
def deterministic():
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


STATES = {
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "default-dtype": default_dtype,
    "default-device": lambda: torch.device("meta"),
    "no-grad": torch.no_grad,
    "grad": torch.enable_grad,
    "inference": torch.inference_mode,
    "deterministic": deterministic,
}


def road(make, image) -> tuple:
    """Everything a caller can ask for, from loading on."""
    codec = make()
    latents = codec.analysis(image, 40)
    stream = codec.compress(image, 40)
    assert codec.encode(latents) == stream == codec.compress_many([image], 40)[0]
    images = codec.decompress(stream), codec.synthesis(latents), *codec.decompress_many([stream])
    return stream, latents, images


def tiny() -> Codec:
    return Codec.untrained("tiny", seed=0)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("make", [tiny, lambda: Codec.from_file(weights())], ids=["made", "file"])
def test_state_changes_nothing(state, make):
    image = noise(40, 50)
    stream, latents, images = road(make, image)
    with STATES[state]():
        before = snapshot()
        other_stream, other_latents, other_images = road(make, image)
        assert snapshot() == before
    assert other_stream == stream and other_latents == latents
    assert all(torch.equal(a, b) for a, b in zip(images, other_images, strict=True))


def weights():
    return mcm_fast.presets.WEIGHTS / "small.safetensors"


def snapshot() -> tuple:
    return (
        torch.default_generator.get_state().numpy().tobytes(),
        torch.get_default_dtype(),
        torch.get_default_device(),
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.is_autocast_enabled("cpu"),
        torch.are_deterministic_algorithms_enabled(),
        torch.get_num_threads(),
    )


def test_what_comes_back_is_an_ordinary_tensor(codec):
    with torch.inference_mode():
        image = codec.decompress(codec.compress(noise(20, 20)))
    latents = codec.analysis(noise(20, 20))
    assert not image.is_inference() and not latents.y.is_inference()
    image.clamp_(0, 200)
    weight = torch.ones(3, 20, 20, requires_grad=True)
    (weight * image).sum().backward()
    assert torch.equal(weight.grad, image.float())


def test_pickles_and_copies():
    codec, image = tiny().with_limits(max_pixels=10**6), noise(30, 30)
    stream = codec.compress(image)
    for other in (pickle.loads(pickle.dumps(codec)), copy.deepcopy(codec)):
        assert other.max_pixels == 10**6 and other.compress(image) == stream
        assert torch.equal(other.decompress(stream), codec.decompress(stream))
    assert copy.copy(codec).network is codec.network
    assert len(pickle.dumps(mcm_fast.load())) < 1000  # the file's name
