"""The promise: every golden stream decodes to its latents for ever, on every engine, and these
latents give its bytes again, whatever is trained or sped up. A second reader, written from
FORMAT.md alone, agrees."""

import hashlib

import numpy as np
import pytest
import second_reader
from conftest import ENGINES, device_of
from safetensors.torch import load_file

from mcm_fast import alpha, container, testing, tiled
from mcm_fast.coding_tiles import Tile
from mcm_fast.exact.engines import make_engine
from mcm_fast.exact.model import IntegerModel
from mcm_fast.latents import Latents

STREAMS = testing.golden_streams()


@pytest.fixture(scope="module")
def model() -> IntegerModel:
    return IntegerModel(load_file(testing.golden_model()))


def test_model_id(model):
    assert model.id.hex() == "d5f9f91e0f9e7dab"


def decoded(engine, data: bytes) -> tuple[container.Stream, Latents]:
    stream = container.unpack(data)
    pairs = zip(stream.tiles, stream.places, strict=True)
    results = engine.decode([(coded, *tile.grid(), stream.quality) for coded, tile in pairs])
    y, z = tiled.join(results, stream.places, Tile(0, 0, *stream.coded_size))
    header = stream.width, stream.height, stream.quality, stream.transposed
    return stream, Latents(y, z, *header, gray=stream.gray, sides=stream.sides)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", STREAMS)
def test_engines_both_ways(model, name, engine):
    engine = make_engine(model, engine, device_of(engine))
    stream, latents = decoded(engine, STREAMS[name].data)
    z, y = latents.z.cpu().numpy(), latents.y.cpu().numpy()
    assert testing.latents_hash(z, y) == STREAMS[name].latents
    stream.tiles = [coded for coded, _ in engine.encode(tiled.items(latents))]
    assert container.pack(stream) == STREAMS[name].data


@pytest.mark.parametrize("name", STREAMS)
def test_second_reader(name):
    testing.check_decoder(second_reader.latents, [name])
    plane = second_reader.alpha(STREAMS[name].data)
    found = None if plane is None else hashlib.sha256(plane.tobytes()).hexdigest()
    assert found == STREAMS[name].alpha


@pytest.mark.parametrize("name", [name for name, each in STREAMS.items() if each.alpha])
def test_alpha(name):
    stream = container.unpack(STREAMS[name].data)
    plane = np.zeros(stream.coded_size[::-1], np.uint8)
    for data, tile in zip(stream.alpha, stream.places, strict=True):
        size = tile.bottom - tile.top, tile.right - tile.left
        plane[tile.top : tile.bottom, tile.left : tile.right] = alpha.decompress(data, *size)
    plane = plane.T if stream.transposed else plane
    assert hashlib.sha256(plane.tobytes()).hexdigest() == STREAMS[name].alpha


def test_second_reader_refuses_damage():
    testing.check_refusals(second_reader.latents)


def test_our_refusals(model):
    engine = make_engine(model, "cpu", "cpu")
    testing.check_refusals(lambda data, _: container.unpack(data))
    testing.check_decoder(
        lambda data, _: tuple(t.numpy() for t in (lambda x: (x.z, x.y))(decoded(engine, data)[1]))
    )


def test_a_wrong_reader_is_told():
    def wrong(data, model_file):
        z, y = second_reader.latents(data, model_file)
        return z, y + 1

    with pytest.raises(AssertionError, match="wide"):
        testing.check_decoder(wrong, ["wide"])
    with pytest.raises(AssertionError, match="not refused"):
        testing.check_refusals(lambda data, _: data)
    with pytest.raises(AssertionError, match="other bytes"):
        testing.check_encoder(lambda golden, _: golden.data + b"\0")
    testing.check_encoder(lambda golden, _: golden.data)


def test_golden_streams_cover_the_format():
    """Exceptions, several groups, few lanes, transposition, gray, tiles, chunks, alpha."""
    streams = [container.unpack(each.data) for each in STREAMS.values()]
    coded = [tile for stream in streams for tile in stream.tiles]
    assert {tile.groups for tile in coded} > {1}
    assert min(tile.lanes for tile in coded) == 1
    assert any(len(tile.exception_indexes) for tile in coded)
    for name in ("transposed", "gray", "sides", "chunks", "alpha"):
        assert {bool(getattr(stream, name)) for stream in streams} == {True, False}
