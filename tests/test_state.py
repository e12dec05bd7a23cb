"""The caller's torch state changes nothing in what comes out, and is as it was afterwards."""

import contextlib
import copy
import os
import pickle
import random

import numpy as np
import public_calls
import pytest
import torch
from conftest import noise
from decoders import write_model

import mcm_fast
from mcm_fast import Codec, PixelDecoder, installed, symbols


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


@contextlib.contextmanager
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def seeded():
    torch.manual_seed(5)
    yield


STATES = {
    "seed": seeded,
    "threads": three_threads,
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


@pytest.fixture(scope="module")
def every_call(tmp_path_factory):
    return public_calls.calls(write_model(tmp_path_factory.mktemp("models")))


@pytest.mark.parametrize("name", public_calls.names())
def test_every_call_leaves_the_state(every_call, name):
    """As it found it, and comes to the same, whatever the state; what it loads it loads anew."""
    call, arguments = every_call[name]
    expected = call(**arguments)
    for state, enter in STATES.items():
        for cache in (installed._load, installed._load_decoder, installed._stated_id):
            cache.cache_clear()
        with enter():
            before = snapshot()
            found = call(**arguments)
            assert snapshot() == before, state
        assert same(found, expected), state


def same(a: object, b: object) -> bool:
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b) and not a.is_inference()
    if isinstance(a, np.ndarray):
        return np.array_equal(a, b)
    if isinstance(a, list):
        return all(same(*pair) for pair in zip(a, b, strict=True))
    if isinstance(a, symbols.Segments):
        return torch.equal(a.payload, b.payload)
    if isinstance(a, Codec | PixelDecoder):
        return a.max_pixels == b.max_pixels and repr(a) == repr(b)
    return a == b


def snapshot() -> tuple:
    return (
        torch.default_generator.get_state().numpy().tobytes(),
        random.getstate(),
        repr(np.random.get_state()),
        dict(os.environ),
        torch.get_float32_matmul_precision(),
        torch.get_autocast_dtype("cpu"),
        torch.get_num_interop_threads(),
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
    for tensor in (image, codec.synthesis(latents), latents.y, latents.z):
        assert not tensor.is_inference()
        tensor.clamp_(0, 200)
        tensor[0] = 7
        assert (tensor[0] == 7).all()
        weight = torch.ones(tensor.shape, requires_grad=True)
        (weight * tensor).sum().backward()
        assert torch.equal(weight.grad, tensor.float())


def test_pickles_and_copies():
    codec, image = tiny().with_limits(max_pixels=10**6), noise(30, 30)
    stream = codec.compress(image)
    for other in (pickle.loads(pickle.dumps(codec)), copy.deepcopy(codec)):
        assert other.max_pixels == 10**6 and other.compress(image) == stream
        assert torch.equal(other.decompress(stream), codec.decompress(stream))
    assert copy.copy(codec).network is codec.network
    assert len(pickle.dumps(mcm_fast.load())) < 1000  # the file's name
