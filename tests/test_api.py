"""The functions of the package beside `Codec`: models by name, path and folder, and help."""

import inspect
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from conftest import noise
from safetensors.torch import load_file, save_file

import mcm_fast
from mcm_fast import Codec, model_file


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "mine.safetensors"
    model_file.save(Codec.untrained("tiny").network, path)
    return path


@pytest.fixture(scope="module")
def codec(path):
    return Codec.from_file(path)


def test_a_model_by_its_path(codec, path):
    image = noise(20, 30)
    stream = mcm_fast.compress(image, 40, model=path)
    assert stream == codec.compress(image, 40)
    for model in (path, str(path)):
        assert torch.equal(mcm_fast.decompress(stream, model=model), codec.decompress(stream))
    with pytest.raises(mcm_fast.BitstreamError, match="needs model"):
        mcm_fast.decompress(stream)


def test_a_folder_of_models(codec, path, monkeypatch):
    monkeypatch.setenv("MCM_FAST_MODELS", str(path.parent))
    assert mcm_fast.models()["mine"] == codec.integers.id.hex()
    stream = mcm_fast.compress(noise(20, 30), 40, model="mine")
    assert mcm_fast.info(stream)["model"] == "mine"
    streams = [stream, mcm_fast.compress(noise(16, 16))]
    images = mcm_fast.decompress_many(streams)
    assert torch.equal(images[0], codec.decompress(stream)) and images[1].shape == (3, 16, 16)


def test_models_is_a_copy():
    mcm_fast.models().clear()
    assert "small" in mcm_fast.models()


def test_a_changed_file_is_loaded_again(path, tmp_path):
    other = tmp_path / "other.safetensors"
    other.write_bytes(path.read_bytes())
    first = mcm_fast.load(other)
    model_file.save(Codec.untrained("tiny", seed=9).network, other)
    assert mcm_fast.load(other).integers.id != first.integers.id


def test_threads_that_come_at_once_load_once(path, tmp_path, monkeypatch):
    other = tmp_path / "other.safetensors"
    other.write_bytes(path.read_bytes())
    start, real, read = threading.Barrier(8), model_file.load, []

    def load(file: str) -> model_file.Model:
        read.append(file)
        time.sleep(0.1)
        return real(file)

    def first_call(_: int) -> Codec:
        start.wait()
        return mcm_fast.load(other)

    monkeypatch.setattr(model_file, "load", load)
    with ThreadPoolExecutor(8) as pool:
        codecs = list(pool.map(first_call, range(8)))
    assert [str(file) for file in read] == [str(other)]
    assert len({id(codec.network) for codec in codecs}) == 1


def test_help_shows_every_option():
    parameters = inspect.signature(mcm_fast.compress).parameters
    expected = ["image", "quality", "model", "device", "target_bpp", "metadata", "tiles", "effort"]
    expected += ["objective", "rendering", "importance", "progress", "max_pixels", "threads"]
    assert list(parameters) == expected
    for name in mcm_fast.__all__:
        value = getattr(mcm_fast, name)
        assert value.__doc__, name
        if inspect.isfunction(value):
            hidden = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
            assert all(p.kind not in hidden for p in inspect.signature(value).parameters.values())


def test_missing_extension_names_the_build_command():
    """On the default road: the module that holds the C++ engine is not there."""
    script = (
        "import sys; sys.modules['mcm_fast._C'] = None\n"
        "import torch, mcm_fast\n"
        "mcm_fast.compress(torch.zeros(3, 8, 8))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "ImportError: the C++ engine cannot be loaded" in done.stderr
    assert "pip install ." in done.stderr


def test_a_model_of_another_network_is_refused(path, tmp_path):
    broken = tmp_path / "broken.safetensors"
    save_file(load_file(path), broken)
    with pytest.raises(ValueError, match="not a model file"):
        mcm_fast.load(broken)
