"""The public face: the four verbs, what they return and what they refuse."""

import dataclasses
import io

import pytest
import torch
from conftest import noise

import mcm_fast
from mcm_fast import BitstreamError, Codec


def test_public_names():
    expected = {"BitstreamError", "Codec", "Latents", "compress", "decompress"}
    expected |= {"Reason", "compress_many", "decompress_many", "info", "load", "models"}
    assert set(mcm_fast.__all__) == expected | {"read_metadata", "imread", "PixelDecoder"}
    for name in mcm_fast.__all__:
        assert getattr(mcm_fast, name) is not None


@pytest.mark.parametrize("size", [(1, 1), (1, 65), (63, 64), (100, 37)], ids=str)
@pytest.mark.parametrize("quality", [0, 33.33, 100])
def test_the_road(codec, size, quality):
    image = noise(*size)
    latents = codec.analysis(image, quality)
    stream = codec.encode(latents)
    assert codec.compress(image, quality) == stream
    decoded = codec.decode(stream)
    assert decoded == latents
    assert codec.encode(decoded) == stream
    found = codec.synthesis(decoded)
    assert found.dtype == torch.uint8 and found.shape == image.shape
    assert torch.equal(found, codec.synthesis(latents))  # parameters cached or recomputed
    assert torch.equal(found, codec.decompress(stream))


def test_latents_differ(codec):
    a, b = codec.analysis(noise(32, 32), 50), codec.analysis(noise(32, 32), 50.01)
    assert a != b and a != "latents"


def test_portrait_is_transposed(codec):
    image = noise(90, 40)
    portrait, landscape = codec.analysis(image), codec.analysis(image.transpose(1, 2))
    assert portrait.transposed and not landscape.transposed
    assert torch.equal(portrait.y, landscape.y)
    assert codec.decompress(codec.compress(image)).shape == image.shape


def test_float_images_equal_uint8(codec):
    image = noise(40, 50)
    assert codec.compress(image.float() / 255) == codec.compress(image)
    assert codec.compress(image.double() / 255) == codec.compress(image)


def test_batch_and_lists(codec):
    images = torch.stack([noise(33, 50, seed) for seed in range(3)])
    streams = codec.compress_many(images)
    assert streams == codec.compress_many(list(images)) == [codec.compress(i) for i in images]
    decoded = codec.decompress_many(streams)
    assert all(torch.equal(a, codec.decompress(s)) for a, s in zip(decoded, streams, strict=True))


def test_streams_may_be_files_and_views(codec):
    stream = codec.compress(noise(20, 20))
    image = codec.decompress(stream)
    for other in (io.BytesIO(stream), bytearray(stream), memoryview(stream)):
        assert torch.equal(codec.decompress(other), image)


def test_metadata_are_carried(codec):
    image = noise(20, 20)
    metadata = {"icc_profile": b"profile", "exif": b"II*\0"}
    stream = codec.compress(image, metadata=metadata)
    assert mcm_fast.read_metadata(stream) == metadata
    assert torch.equal(codec.decompress(stream), codec.decompress(codec.compress(image)))
    assert codec.encode(codec.analysis(image), metadata) == stream


@pytest.mark.parametrize("metadata", [{"gps": b""}, {"exif": "text"}, {"icc_profile": None}])
def test_bad_metadata(codec, metadata):
    with pytest.raises(ValueError, match="metadata"):
        codec.compress(noise(8, 8), metadata=metadata)


def test_info(codec):
    found = mcm_fast.info(codec.compress(noise(20, 30), 12.5))
    assert (found["width"], found["height"], found["quality"]) == (30, 20, 12.5)
    assert found["model_id"] == codec.integers.id.hex() and found["model"] is None
    assert mcm_fast.info(mcm_fast.compress(noise(20, 30)))["model"] == "small"


BAD_IMAGES = {
    "not a tensor": [[1, 2, 3]],
    "int64": torch.zeros(3, 8, 8, dtype=torch.int64),
    "two dimensions": torch.zeros(8, 8),
    "five dimensions": torch.zeros(1, 1, 3, 8, 8),
    "no channel": torch.zeros(0, 8, 8),
    "five channels": torch.zeros(5, 8, 8, dtype=torch.uint8),
    "channels last": torch.zeros(8, 8, 3),
    "empty batch": torch.zeros(0, 3, 8, 8),
    "no rows": torch.zeros(3, 0, 8),
    "too bright": torch.full((3, 8, 8), 1.01),
    "negative": torch.full((3, 8, 8), -0.01),
    "nan": torch.full((3, 8, 8), torch.nan),
    "infinite": torch.full((3, 8, 8), torch.inf),
}


@pytest.mark.parametrize("name", BAD_IMAGES)
def test_bad_images(codec, name):
    for call in (codec.compress, codec.analysis):
        with pytest.raises(ValueError, match="image"):
            call(BAD_IMAGES[name])


@pytest.mark.parametrize("quality", [-0.1, 100.1, float("nan"), float("inf"), "high"])
def test_bad_quality(codec, quality):
    with pytest.raises(ValueError, match="quality"):
        codec.compress(noise(8, 8), quality)


@pytest.mark.parametrize("target", [0, -1, float("nan"), float("inf"), "small"])
def test_bad_target(codec, target):
    with pytest.raises(ValueError, match="target_bpp"):
        codec.compress(noise(8, 8), target_bpp=target)


def test_a_quality_and_a_target_exclude_each_other(codec):
    with pytest.raises(ValueError, match="exclude"):
        codec.compress(noise(8, 8), 50, target_bpp=1.0)


def test_a_batch_is_not_an_image(codec):
    for call in (codec.compress, mcm_fast.compress):
        with pytest.raises(ValueError, match="compress_many"):
            call(torch.zeros(2, 3, 8, 8))
    for call in (codec.compress_many, mcm_fast.compress_many):
        with pytest.raises(ValueError, match="a batch is a list of images"):
            call(noise(8, 8))


def test_bad_names(tmp_path):
    with pytest.raises(FileNotFoundError, match="no-model"):
        mcm_fast.load(tmp_path / "no-model.safetensors")

    with pytest.raises(ValueError, match="unknown model 'huge'"):
        mcm_fast.load("huge")
    with pytest.raises(ValueError, match="unknown model 'huge'"):
        Codec.untrained("huge")
    with pytest.raises(ValueError, match="unknown engine 'abacus'"):
        Codec.untrained("tiny", engine="abacus")


def test_uncheck_device():
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(ValueError, match="cuda"):
        mcm_fast.load(device="cuda")


def test_wrong_latents(codec):
    latents = codec.analysis(noise(40, 40))
    for change in ({"y": latents.y.int()}, {"z": latents.z[:, :0]}, {"width": 80}):
        with pytest.raises(ValueError, match="latents"):
            codec.encode(dataclasses.replace(latents, **change))


def test_foreign_and_truncated_bytes(codec):
    stream = codec.compress(noise(33, 20))
    foreign = b"\x89PNG\r\n\x1a\n" + bytes(50)
    for bad in (b"", b"MCM", foreign, stream[:-1], stream + b"\0", stream * 2):
        with pytest.raises(BitstreamError):
            codec.decompress(bad)
    for bad in (None, 7, [stream]):
        with pytest.raises(ValueError, match="a stream is bytes"):
            codec.decompress(bad)
    with pytest.raises(FileNotFoundError, match="text"):
        codec.decompress("text")  # the path of a file


def test_every_flipped_bit_is_found(codec):
    stream = codec.compress(noise(16, 16), 20)
    for bit in range(8 * len(stream)):
        damaged = bytearray(stream)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(BitstreamError):
            codec.decompress(damaged)


def test_stream_of_another_model(codec):
    stream = Codec.untrained("tiny", seed=1).compress(noise(16, 16))
    with pytest.raises(BitstreamError, match=codec.integers.id.hex()) as error:
        codec.decompress(stream)
    assert error.value.reason is mcm_fast.Reason.UNKNOWN_MODEL
    with pytest.raises(BitstreamError, match=mcm_fast.info(stream)["model_id"]) as error:
        mcm_fast.decompress(stream)  # not installed
    assert error.value.reason is mcm_fast.Reason.UNKNOWN_MODEL


@pytest.mark.parametrize("fraction", [0.2, 0.5, 0.8])
def test_target_bpp(codec, fraction):
    image = noise(128, 160)
    low, high = (len(codec.compress(image, quality)) for quality in (0, 100))
    target = 8 * (low + fraction * (high - low)) / (128 * 160)
    stream = codec.compress(image, target_bpp=target)
    assert abs(8 * len(stream) / (128 * 160) - target) <= 0.02 * target


def test_target_out_of_reach(codec):
    image = noise(64, 64)
    with pytest.warns(UserWarning, match="out of reach"):
        assert len(codec.compress(image, target_bpp=1e-3)) <= len(codec.compress(image, 0))
    with pytest.warns(UserWarning, match="out of reach"):
        assert len(codec.compress(image, target_bpp=1e3)) >= len(codec.compress(image, 100))


def test_length_against_the_ideal(codec):
    for quality in range(0, 101, 20):
        latents = codec.analysis(noise(200, 300), quality)
        stream, ideal = codec.encode(latents), codec.ideal_bits(latents)
        facts = mcm_fast.info(stream)
        lanes = 3 * facts["lanes"] * facts["groups"]  # bytes: one of a state's four is of use
        assert ideal <= 8 * len(stream) <= 1.005 * ideal + 8 * (96 + lanes)


def test_renderings(codec, tmp_path):
    """A second synthesis in the model file: the same streams, another picture."""
    from safetensors.torch import load_file, save_file

    from mcm_fast import model_file

    path = tmp_path / "two.safetensors"
    model_file.save(codec.network, path)
    tensors = load_file(path)
    for name, tensor in list(tensors.items()):
        if name.startswith("network.synthesis."):
            other = name.replace("network.synthesis.", "rendering.perceptual.")
            tensors[other] = tensor + 0.01 * torch.randn_like(tensor)
    save_file(tensors, path, {"config": codec.network.config.to_json()})
    two = Codec.from_file(path)
    stream = two.compress(noise(40, 40))
    assert two.integers.id == codec.integers.id
    faithful, perceptual = two.decompress(stream), two.decompress(stream, rendering="perceptual")
    assert torch.equal(faithful, two.decompress(stream, rendering="faithful"))
    assert not torch.equal(faithful, perceptual)
    with pytest.raises(ValueError, match="perceptual"):
        codec.decompress(stream, rendering="perceptual")
