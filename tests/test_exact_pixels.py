"""A codec paints in integers where its model's decoder is, or where it is told to."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import decoders
import numpy as np
import pytest
import torch
from decoders import KINDS, decoder_of, picture

import mcm_fast
from mcm_fast import Codec, PixelDecoder
from mcm_fast.exact.pixels import decoder_file

model, codec = decoders.model, decoders.codec


@pytest.fixture(scope="module")
def lonely(model, tmp_path_factory):
    """The same model without its decoder."""
    path = tmp_path_factory.mktemp("lonely") / "lonely.safetensors"
    path.write_bytes(model.read_bytes())
    return Codec.from_file(path)


def array_of(image: torch.Tensor) -> np.ndarray:
    assert image.is_contiguous()
    return image.permute(1, 2, 0).numpy()


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_as_without_torch(model, codec, lonely, kind):
    image, tiles = picture(kind)
    stream = codec.compress(image, 50, tiles=tiles)
    expected = PixelDecoder(decoder_of(model)).decompress(stream)
    assert np.array_equal(array_of(codec.decompress(stream)), expected)
    assert np.array_equal(array_of(codec.decompress(stream, exact=True)), expected)
    (many,) = codec.decompress_many([stream])
    assert np.array_equal(array_of(many), expected)
    colours = 1 if len(image) < 3 else 3
    drawn = array_of(codec.synthesis(codec.decode(stream)))
    assert np.array_equal(drawn, expected[..., :colours])
    height, width = expected.shape[:2]
    box = (width // 3, 0, width, height // 2 + 1)
    part = array_of(codec.decompress(stream, box=box))
    assert np.array_equal(part, expected[: box[3], box[0] :])
    floats = codec.decompress(stream, exact=False)
    assert torch.equal(floats, lonely.decompress(stream))
    assert np.abs(array_of(floats).astype(int) - expected).mean() < 1


def test_floats_where_they_are_asked_for(codec, lonely):
    """The integers differ from them somewhere, else the tests above show nothing."""
    stream = codec.compress(picture("tiles")[0], 50)
    floats = lonely.decompress(stream)
    assert not torch.equal(codec.decompress(stream), floats)
    assert torch.equal(codec.decompress_many([stream], exact=False)[0], floats)
    latents = codec.decode(stream)
    assert torch.equal(codec.synthesis(latents, exact=False), floats)


def test_what_is_refused(codec, lonely):
    stream = codec.compress(picture("rgb")[0], 50)
    for decode in (lonely.decompress, lambda s, **how: lonely.decompress_many([s], **how)):
        with pytest.raises(ValueError, match="decoder's file of model"):
            decode(stream, exact=True)
    with pytest.raises(ValueError, match="exact is True, False or None, not 1"):
        codec.decompress(stream, exact=1)
    with pytest.raises(ValueError, match="unknown rendering 'other'"):  # of the decoder alone
        codec.decompress(stream, "other")


def test_a_decoder_among_the_installed(lonely, codec, model, monkeypatch):
    stream = codec.compress(picture("rgb")[0], 50)
    monkeypatch.setenv("MCM_FAST_MODELS", str(model.parent))
    fresh = Codec(lonely.network, lonely.integers)
    assert torch.equal(fresh.decompress(stream, exact=True), codec.decompress(stream))
    assert torch.equal(mcm_fast.decompress(stream, exact=True), codec.decompress(stream))
    (floats,) = mcm_fast.decompress_many([stream], exact=False)
    assert torch.equal(floats, codec.decompress(stream, exact=False))


def test_files_that_are_not_the_model_s(model, codec, tmp_path):
    stream = codec.compress(picture("rgb")[0], 50)
    data, own = decoder_of(model).read_bytes(), codec.integers.id.hex()
    path = tmp_path / "a.safetensors"
    path.write_bytes(model.read_bytes())
    decoder_of(path).write_bytes(data.replace(own.encode(), b"0123456789abcdef"))
    floats = Codec.from_file(path).decompress(stream)  # of another model: none of this one is here
    assert torch.equal(floats, codec.decompress(stream, exact=False))
    decoder_of(path).write_bytes(b"nonsense")
    with pytest.raises(ValueError, match="or a decoder's file"):
        Codec.from_file(path).decompress(stream)


def test_copies_and_pickles(codec):
    stream = codec.compress(picture("rgb")[0], 50)
    for other in (copy.copy(codec), pickle.loads(pickle.dumps(codec)), codec.with_limits()):
        assert torch.equal(other.decompress(stream, exact=True), codec.decompress(stream))


def test_threads_change_nothing(model, codec):
    stream = codec.compress(picture("tiles")[0], 50, tiles=64)
    for threads in (1, 2, 5):
        other = Codec.from_file(model, threads=threads)
        assert torch.equal(other.decompress(stream), codec.decompress(stream))


def test_threads_that_come_at_once_read_the_file_once(model, codec, monkeypatch):
    stream, read = codec.compress(picture("rgb")[0], 50), []
    real = decoder_file.DecoderFile.rendering

    def rendering(self, name):
        read.append(name)
        return real(self, name)

    monkeypatch.setattr(decoder_file.DecoderFile, "rendering", rendering)
    fresh = Codec.from_file(model)
    with ThreadPoolExecutor(8) as pool:
        images = list(pool.map(lambda _: fresh.with_limits().decompress(stream), range(8)))
    assert read == ["faithful"]
    assert all(torch.equal(image, codec.decompress(stream)) for image in images)
