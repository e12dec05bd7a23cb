"""Whatever an argument is, a call works or raises ValueError or TypeError of this package, or
OSError for a file: nothing from the depths of torch or numpy."""

import dataclasses
import inspect
import io
import traceback
import warnings
from pathlib import Path

import numpy as np
import public_calls
import pytest
import torch
from conftest import noise
from decoders import write_model

import mcm_fast
from mcm_fast import Codec, container

IMAGE = noise(16, 20)
EXPECTED = (ValueError, TypeError, OSError)


def odd_values(codec: Codec) -> dict[str, object]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # prototypes
        parts = [torch.zeros(2), torch.zeros(3)]
        strided = torch.nested.nested_tensor(parts)
        jagged = torch.nested.nested_tensor(parts, layout=torch.jagged)
        csr = torch.eye(3).to_sparse_csr()
    numbers = {"int": -3, "big": 10**30, "float": 1.5, "nan": float("nan"), "inf": float("inf")}
    numbers |= {"bool": True, "complex": 1j, "np.int64": np.int64(3), "np.float32": np.float32(0.5)}
    texts = {"None": None, "text": "xyz", "no text": "", "bytes": b"ab", "path": Path("/no/such")}
    tensors = {
        "tensor": torch.zeros(2, 2),
        "meta": torch.zeros(3, 8, 8, device="meta"),
        "sparse": IMAGE.float().to_sparse(),
        "csr": csr,
        "nested": strided,
        "jagged": jagged,
        "float8": torch.zeros(3, 8, 8).to(torch.float8_e4m3fn),
        "complex tensor": torch.zeros(3, 8, 8, dtype=torch.complex64),
        "vector": np.zeros(3),
        "five dimensions": np.zeros((2, 2, 2, 2, 2)),
    }
    others = {
        "list": [1, 2],
        "batches": [IMAGE[None]],
        "dict": {"a": 1},
        "tuple": (),
        "object": object(),
        "type": int,
        "text file": io.StringIO("abc"),
        "generator": (i for i in range(3)),
        "latents": codec.analysis(IMAGE),
        "stream": container.unpack(codec.compress(IMAGE)),
        "device": torch.device("cpu"),
    }
    return numbers | texts | tensors | others


TINY = Codec.untrained("tiny", seed=0)


@pytest.fixture(scope="module")
def every_call(tmp_path_factory):
    return public_calls.calls(write_model(tmp_path_factory.mktemp("models")))


def complaint(call, arguments: dict) -> str:
    """What is wrong with the way that a call refuses its arguments, if it does."""
    try:
        call(**arguments)
    except EXPECTED as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        words = ("raise ", "coded = extension()")  # not Python's, of `in`, `for` or a dictionary
        own = "mcm_fast" in place.filename and (place.line or "").startswith(words)
        told = str(error) and (own or isinstance(error, OSError))
        return "" if told else f"{type(error).__name__} of {place}: {error}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", public_calls.names())
def test_any_argument(every_call, name):
    call, good = every_call[name]
    good = {name: value for name, value in good.items() if name != "effort"}
    flags = {"verify", "partial"}  # anything is true or false
    arguments = [name for name in inspect.signature(call).parameters if name not in flags]
    found = {}
    for argument in arguments:
        for what, value in odd_values(TINY).items():
            found[argument, what] = complaint(call, good | {argument: value})
    assert not {place: problem for place, problem in found.items() if problem}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(mcm_fast.Latents)])
def test_any_latents(field):
    latents, found = TINY.analysis(IMAGE), {}
    if field == "parameters":
        with pytest.raises(ValueError, match="parameters"):
            dataclasses.replace(latents, parameters=None)
        return
    for what, value in odd_values(TINY).items():
        changed = dataclasses.replace(latents, **{field: value})
        for call in (TINY.encode, TINY.synthesis, TINY.ideal_bits):
            found[what, call.__name__] = complaint(call, {"latents": changed})
    assert not {place: problem for place, problem in found.items() if problem}


def test_numbers_of_numpy():
    stream = TINY.compress(IMAGE, 50)
    assert TINY.compress(IMAGE, np.float32(50)) == TINY.compress(IMAGE, np.int64(50)) == stream
    assert TINY.compress(IMAGE, tiles=np.int64(0), effort=np.uint8(0)) == stream
    rate = 8 * len(stream) / (16 * 20)
    for number in (np.float64, np.float32, np.array, torch.tensor):
        assert TINY.compress(IMAGE, target_bpp=number(rate)) == stream
    whole = TINY.compress(IMAGE, target_bpp=2)
    assert TINY.compress(IMAGE, target_bpp=np.int64(2)) == whole


def test_latents_leave_their_parameters_behind():
    """They were painted with what the entropy model said of others."""
    latents = TINY.decode(TINY.compress(IMAGE))
    assert latents.parameters is not None
    moved = dataclasses.replace(latents, y=latents.y.flip(0))
    fresh = mcm_fast.Latents(
        moved.y, moved.z, moved.width, moved.height, moved.quality_steps, False
    )
    assert moved == fresh and moved.parameters is None
    assert torch.equal(TINY.synthesis(moved), TINY.synthesis(fresh))


def test_short_reprs():
    latents = TINY.decode(TINY.compress(IMAGE))
    for thing in (TINY, latents, mcm_fast.load()):
        assert len(repr(thing)) < 120 and "\n" not in repr(thing)
        assert "at 0x" not in repr(thing)
    assert TINY.integers.id.hex() in repr(TINY)


def test_no_model_file(tmp_path):
    for missing in (tmp_path / "no", "no.safetensors", tmp_path / "no.safetensors", "./no"):
        for call in (mcm_fast.load, Codec.from_file, lambda m: mcm_fast.compress(IMAGE, model=m)):
            with pytest.raises(FileNotFoundError):
                call(missing)


def test_chunks_that_are_no_bytes():
    stream = container.unpack(TINY.compress(IMAGE))
    for content in ("text", 5, None, bytearray(b"a")):
        stream.chunks = {"exif": content}
        with pytest.raises(ValueError, match="chunks that are not bytes"):
            container.pack(stream)


def test_a_batch_names_the_item(tmp_path):
    with pytest.raises(FileNotFoundError, match="image 1 of the batch.*none.png"):
        TINY.compress_many([IMAGE, tmp_path / "none.png"])
    with pytest.raises(FileNotFoundError, match="image 0 of the batch.*none.mcm"):
        TINY.decompress_many([tmp_path / "none.mcm"])
