"""Streams to arrays: the reference's pixels, boxes equal to the crop, damage as `Codec` has it."""

import copy
import io
import pickle
import warnings

import decoders
import numpy as np
import pytest
import torch
from decoders import KINDS, decoder_of, picture

import mcm_fast
from mcm_fast import BitstreamError, PixelDecoder, container, stream_decoder
from mcm_fast.channels import gray_of
from mcm_fast.exact.pixels.decoder_file import load_decoder
from mcm_fast.exact.pixels.reference import render

model, codec, decoder, streams = decoders.model, decoders.codec, decoders.decoder, decoders.streams


def reference_pixels(codec, model, stream: bytes, kind: str, name: str = "faithful") -> np.ndarray:
    """What the oracle draws of a stream's latents, with the alpha that was compressed."""
    latents, rendering = codec.decode(stream), load_decoder(decoder_of(model)).renderings[name]
    said = codec.engine.parameters(latents.y, latents.z, latents.quality_steps)
    planes = latents.y, said.mu, said.indexes, said.hyper
    image = render(rendering, *planes, latents.quality_steps)
    image = image.transpose(1, 2) if latents.transposed else image
    image = image[:, : latents.height, : latents.width]
    image = gray_of(image) if latents.gray else image
    original, _ = picture(kind)
    if len(original) in (2, 4):
        image = torch.cat((image, original[-1:]))
    return image.permute(1, 2, 0).numpy()


@pytest.mark.parametrize("kind", KINDS)
def test_the_reference_s_pixels(codec, model, decoder, streams, kind):
    expected = reference_pixels(codec, model, streams[kind], kind)
    found = decoder.decompress(streams[kind])
    assert found.dtype == np.uint8 and found.flags.c_contiguous and found.flags.writeable
    assert np.array_equal(found, expected)
    other = reference_pixels(codec, model, streams[kind], kind, "other")
    assert np.array_equal(decoder.decompress(streams[kind], "other"), other)
    assert kind == "pixel" or not np.array_equal(other, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_a_box_is_the_crop_of_the_whole(decoder, streams, kind):
    whole = decoder.decompress(streams[kind])
    height, width = whole.shape[:2]
    rng = np.random.default_rng(height)
    for _ in range(8):
        left, top = rng.integers(0, width), rng.integers(0, height)
        right, bottom = rng.integers(left, width) + 1, rng.integers(top, height) + 1
        part = decoder.decompress(streams[kind], box=(left, top, right, bottom))
        assert np.array_equal(part, whole[top:bottom, left:right])
        assert part.flags.c_contiguous


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "tiles" in kind])
def test_bands_do_not_show(decoder, streams, kind, monkeypatch):
    whole = decoder.decompress(streams[kind])
    monkeypatch.setattr(stream_decoder, "BAND", 1)  # every row of tiles by itself
    assert np.array_equal(decoder.decompress(streams[kind]), whole)
    box = 9, 3, whole.shape[1] - 5, whole.shape[0]
    part = decoder.decompress(streams[kind], box=box)
    assert np.array_equal(part, whole[3:, 9 : whole.shape[1] - 5])
    assert part.flags.c_contiguous


def test_imread(model, decoder, streams, tmp_path, monkeypatch):
    stream = streams["rgba"]
    path, whole = tmp_path / "a.mcm", decoder.decompress(stream)
    path.write_bytes(stream)
    own = {"model": decoder_of(model)}
    with open(path, "rb") as file:
        sources = path, str(path), stream, memoryview(stream), io.BytesIO(stream), file
        for source in sources:
            assert np.array_equal(mcm_fast.imread(source, **own), whole)
    assert np.array_equal(mcm_fast.imread(stream, model=model, threads=1), whole)
    with pytest.raises(BitstreamError, match="needs the decoder of model") as caught:
        mcm_fast.imread(path)
    assert caught.value.reason == mcm_fast.Reason.UNKNOWN_MODEL
    monkeypatch.setenv("MCM_FAST_MODELS", str(model.parent))
    assert np.array_equal(mcm_fast.imread(path, box=(1, 2, 30, 40)), whole[2:40, 1:30])
    assert np.array_equal(mcm_fast.imread(path, model="tiny"), whole)
    assert mcm_fast.info(stream)["model"] == "tiny" and "tiny.decoder" not in mcm_fast.models()


def test_what_is_refused(model, decoder, streams, tmp_path):
    stream, own = streams["rgb"], {"model": decoder_of(model)}
    for box in ((0, 0, 76, 44), (0, 0, 75, 45), (-1, 0, 3, 3), (5, 5, 5, 6)):
        with pytest.raises(ValueError, match="box"):
            decoder.decompress(stream, box=box)
    with pytest.raises(ValueError, match="faithful, other"):
        decoder.decompress(stream, "third")
    for scale in (0, 3, 1.0, True):
        with pytest.raises(ValueError, match="scale"):
            mcm_fast.imread(stream, scale=scale, **own)
    for threads in (0, -1, 1.5):
        with pytest.raises(ValueError, match="threads"):
            mcm_fast.imread(stream, threads=threads, **own)
    with pytest.raises(ValueError, match="on_damage"):
        mcm_fast.imread(stream, on_damage="ignore", **own)
    with pytest.raises(FileNotFoundError):
        mcm_fast.imread(tmp_path / "nothing.mcm")
    with pytest.raises(FileNotFoundError, match="no decoder's file"):
        lonely = tmp_path / "lonely.safetensors"
        lonely.write_bytes(model.read_bytes())
        mcm_fast.imread(stream, model=lonely)
    with pytest.raises(ValueError, match="not a decoder's file"):
        PixelDecoder(__file__)
    with pytest.raises(BitstreamError, match="limit") as caught:
        mcm_fast.imread(stream, max_pixels=1000, **own)
    assert caught.value.reason == mcm_fast.Reason.TOO_LARGE


def outcome(decode, data: bytes) -> object:
    try:
        return tuple(np.asarray(decode(data)).shape)
    except BitstreamError as error:
        return error.reason, str(error)


def test_damage_is_refused_as_by_a_codec(codec, decoder, streams):
    """Every truncation, and flips of bits all over the stream."""
    for kind in ("pixel", "gray-alpha", "tiles-gray"):
        stream = streams[kind]
        broken = [stream[:n] for n in range(0, len(stream), 1 + len(stream) // 60)]
        for i in range(0, 8 * len(stream), 1 + len(stream) // 8):
            flipped = bytearray(stream)
            flipped[i // 8] ^= 1 << i % 8
            broken.append(bytes(flipped))
        for data in broken:
            expected = outcome(lambda d: codec.decompress(d).permute(1, 2, 0), data)
            assert outcome(decoder.decompress, data) == expected


@pytest.mark.parametrize("kind", ["tiles", "tiles-portrait", "tiles-gray"])
def test_damaged_tiles_become_gray(codec, decoder, streams, kind, monkeypatch):
    """One whose checksum fails, and the last, which is cut off: as by a codec."""
    stream = streams[kind]
    header = container.read_header(stream)
    damaged = bytearray(stream[: header.tile_places[-1][0] + 3])
    damaged[header.tile_places[1][0] + 5] ^= 1
    with pytest.raises(BitstreamError):
        decoder.decompress(bytes(damaged))
    for band in (stream_decoder.BAND, 1):
        monkeypatch.setattr(stream_decoder, "BAND", band)
        with warnings.catch_warnings(record=True) as ours:
            warnings.simplefilter("always")
            found = decoder.decompress(bytes(damaged), on_damage="blank")
        with warnings.catch_warnings(record=True) as theirs:
            warnings.simplefilter("always")
            image = codec.decompress(bytes(damaged), on_damage="blank")
        assert [str(w.message) for w in ours] == [str(w.message) for w in theirs]
        tile = header.tiles[1].turned(header.transposed)
        assert (found[tile.top : tile.bottom, tile.left : tile.right, 0] == 128).all()
        assert np.array_equal(found, image.permute(1, 2, 0))


def test_copies_and_pickles(decoder, streams, model):
    limited = decoder.with_limits(max_pixels=10**4)
    expected = decoder.decompress(streams["rgb"])
    for other in (copy.copy(limited), pickle.loads(pickle.dumps(limited))):
        assert (other.max_pixels, other.threads, other.id) == (10**4, 2, decoder.id)
        assert np.array_equal(other.decompress(streams["rgb"]), expected)
    assert (
        "model" in repr(decoder) and decoder.renderings["faithful"] != decoder.renderings["other"]
    )


def test_ids(codec, decoder, model):
    assert decoder.id == codec.integers.id.hex()
    renderings = load_decoder(decoder_of(model)).renderings
    ids = {name: r.id.hex() for name, r in renderings.items()}
    assert {"preview8", "preview16"} < ids.keys()
    assert decoder.renderings == {name: key for name, key in ids.items() if "preview" not in name}


def test_a_file_that_states_another_model_s_id(model, streams, tmp_path, monkeypatch):
    """The id is computed from the integers, whatever the file says."""
    data = decoder_of(model).read_bytes()
    own = mcm_fast.info(streams["rgb"])["model_id"]
    liar = tmp_path / "liar.decoder.safetensors"
    liar.write_bytes(data.replace(own.encode(), b"0123456789abcdef"))
    monkeypatch.setenv("MCM_FAST_MODELS", str(tmp_path))
    stream = container.unpack(streams["rgb"])
    stream.model = bytes.fromhex("0123456789abcdef")
    with pytest.raises(ValueError, match="it is of"):
        mcm_fast.imread(container.pack(stream))
