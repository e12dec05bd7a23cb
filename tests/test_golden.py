"""Golden streams decode to the same latents for ever, whatever is trained or sped up."""

import hashlib
import json
from pathlib import Path

import pytest
from conftest import ENGINES, device_of
from safetensors.torch import load_file

from mcm_fast import container
from mcm_fast.exact.engines import make_engine
from mcm_fast.exact.model import IntegerModel
from mcm_fast.latents import grid

FOLDER = Path(__file__).parent / "golden"
INDEX = json.loads((FOLDER / "index.json").read_text())


@pytest.fixture(scope="module")
def model() -> IntegerModel:
    return IntegerModel(load_file(FOLDER / "model.safetensors"))


def test_model_id(model):
    assert model.id.hex() == "ff60902960a58496"


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", INDEX)
def test_golden(model, name, engine):
    data = (FOLDER / f"{name}.mcm").read_bytes()
    stream = container.unpack(data)
    engine = make_engine(model, engine, device_of(engine))
    size = grid(stream.width, stream.height, stream.transposed)
    [(y, z, _)] = engine.decode([(stream.coded, *size, stream.quality)])
    latents = b"".join(t.cpu().numpy().tobytes() for t in (z, y))
    assert hashlib.sha256(latents).hexdigest() == INDEX[name]
    [(stream.coded, _)] = engine.encode([(y, z, stream.quality)])
    assert container.pack(stream) == data


def test_golden_streams_cover_the_format(model):
    """Exceptions, several groups, few lanes, transposition."""
    streams = [container.unpack((FOLDER / f"{name}.mcm").read_bytes()) for name in INDEX]
    assert {s.coded.groups for s in streams} > {1}
    assert min(s.coded.lanes for s in streams) < 32
    assert any(s.transposed for s in streams)
    assert any(len(s.coded.exception_indexes) for s in streams)
