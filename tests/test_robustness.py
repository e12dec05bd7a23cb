"""Whatever the bytes: an image, or BitstreamError. Damaged and crafted streams, hostile weights."""

import contextlib
import dataclasses
import json
from collections.abc import Callable

import pytest
import torch
from conftest import noise
from hostile import damaged, resealed, strange_but_good
from safetensors.torch import load_file, save_file

import mcm_fast
from mcm_fast import BitstreamError, Codec, container, model_file


@pytest.fixture(scope="module")
def good(codec) -> bytes:
    """An image whose stream has several lanes."""
    return codec.compress(noise(100, 130), 90)


@pytest.fixture(scope="module")
def crafted(codec, good) -> dict[str, bytes]:
    latents = codec.decode(good)
    return damaged(good, latents.y.numel() + latents.z.numel())


def test_the_good_stream_has_lanes_and_coded_latents(good):
    (coded,) = container.unpack(good).tiles
    assert coded.lanes > 1 and coded.groups == 1 and len(coded.segments[0]) > 1000


def accepted(read: Callable[[bytes], object], streams: dict[str, bytes]) -> list[str]:
    """The names of those that `read` does not refuse."""
    names = []
    for name, stream in streams.items():
        with contextlib.suppress(BitstreamError):
            read(stream)
            names.append(name)
    return names


def test_crafted_streams_are_refused(codec, good, crafted):
    assert accepted(codec.decompress, {"good": good, **crafted}) == ["good"]


def test_the_reference_refuses_them_too(codec, reference):
    """Of a smaller image: it is slow."""
    good = codec.compress(noise(30, 40), 90)
    latents = codec.decode(good)
    crafted = damaged(good, latents.y.numel() + latents.z.numel())
    assert accepted(reference.decode, {"good": good, **crafted}) == ["good"]


def test_what_a_reader_ignores(codec, good):
    for name, stream in strange_but_good(good).items():
        assert torch.equal(codec.decompress(stream), codec.decompress(good)), name


def test_flips_behind_good_checksums(codec):
    """An image of the size that the header says, or BitstreamError."""
    stream = codec.compress(noise(16, 16), 20)
    header, decoded = container.read_header(stream), 0
    for bit in range(8 * len(stream)):
        flipped = bytearray(stream)
        flipped[bit // 8] ^= 1 << bit % 8
        flipped = resealed(bytes(flipped), header)
        try:
            image = codec.decompress(flipped)
        except BitstreamError:
            continue
        flipped_header = container.read_header(flipped)
        channels = 1 if flipped_header.gray else 3
        assert image.shape == (channels, flipped_header.height, flipped_header.width)
        decoded += 1
    # At least gray, the two flags that mean nothing, and what resealing repairs.
    assert 3 + 64 <= decoded < 8 * len(stream) // 2


@pytest.mark.parametrize("engine", ["reference", "cpu"])
def test_a_damaged_stream_spoils_only_itself(codec, good, crafted, engine):
    other = Codec.untrained("tiny", seed=0, engine=engine)
    small = codec.compress(noise(20, 30))
    streams = [small, crafted["states-zero"], good[:50], small, crafted["words-none"]]
    found = other.decompress_many(streams, on_error="return")
    kinds = [type(one) for one in found]
    error, image = BitstreamError, torch.Tensor
    assert kinds == [image, error, error, image, error]
    assert torch.equal(found[0], other.decompress(small)) and torch.equal(found[0], found[3])
    with pytest.raises(BitstreamError, match="image 1 of the batch"):
        other.decompress_many(streams[:2])
    with pytest.raises(BitstreamError, match="image 2 of the batch"):
        other.decompress_many([small, small, good[:50]])


def test_more_latents_than_can_be_numbered(codec, good):
    """2^32 latents and more are refused, whatever the caller's limit."""
    stream = container.unpack(good)
    huge = dataclasses.replace(stream, width=2**19, height=2**17)
    with pytest.raises(BitstreamError, match="too many latents"):
        codec.with_limits(max_pixels=2**40).decode(container.pack(huge))


@pytest.mark.parametrize("quality", [-1, 10001, -(2**40), 2**62])
def test_a_quality_that_is_none(codec, quality):
    """Tables are chosen by it: beyond the last one there is no memory."""
    latents = codec.analysis(noise(40, 40))
    with pytest.raises(ValueError, match="quality"):
        codec.encode(dataclasses.replace(latents, quality_steps=quality))
    for call in (codec.engine.parameters, codec.engine.cost):
        with pytest.raises(ValueError, match="quality"):
            call(latents.y, latents.z, quality)
    with pytest.raises(ValueError, match="quality"):
        codec.engine.encode([(latents.y, latents.z, quality)])


def test_limits_both_ways(codec):
    image = noise(50, 60)
    pixels = 256 * 4 * 4  # whole blocks
    stream = codec.compress(image)
    exact, below = (codec.with_limits(max_pixels=n) for n in (pixels, pixels - 1))
    assert exact.compress(image) == stream
    assert torch.equal(exact.decompress(stream), codec.decompress(stream))
    with pytest.raises(ValueError, match=f"60x50: the limit is {pixels - 1} pixels"):
        below.compress(image)
    with pytest.raises(BitstreamError, match=f"limit is {pixels - 1} pixels"):
        below.decompress(stream)
    for call in (lambda **kw: mcm_fast.load(**kw), lambda **kw: Codec.untrained("tiny", **kw)):
        for bad in (0, -1, 1.5, None):
            for name in ("max_pixels", "tile_pixels"):
                with pytest.raises(ValueError, match=name):
                    call(**{name: bad})


def test_limits_of_the_module(codec):
    image = noise(50, 60)
    stream = mcm_fast.compress(image)
    with pytest.raises(ValueError, match="limit is 1000 pixels"):
        mcm_fast.compress(image, max_pixels=1000)
    with pytest.raises(BitstreamError, match="limit is 1000 pixels"):
        mcm_fast.decompress(stream, max_pixels=1000)
    assert mcm_fast.load(max_pixels=1000).network is mcm_fast.load().network


def test_no_memory_is_taken_for_refused_images(codec):
    """The image is 3 * 2^40 bytes; a view of one pixel stands for it."""
    image = torch.zeros(3, 1, 1, dtype=torch.uint8).expand(3, 2**20, 2**20)
    with pytest.raises(ValueError, match="limit"):
        codec.compress(image)


def test_batches_of_several_models_and_errors(codec):
    images = [noise(20, 30), torch.zeros(3, 3), noise(31, 17)]
    found = mcm_fast.compress_many(images, on_error="return")
    assert [type(one) for one in found] == [bytes, ValueError, bytes]
    assert found[0] == mcm_fast.compress(images[0])
    with pytest.raises(ValueError, match="image 1 of the batch: an image is"):
        mcm_fast.compress_many(images)
    streams = [found[0], codec.compress(images[0]), found[2]]
    decoded = mcm_fast.decompress_many(streams, on_error="return")
    assert [type(one) for one in decoded] == [torch.Tensor, BitstreamError, torch.Tensor]
    assert torch.equal(decoded[2], mcm_fast.decompress(streams[2]))
    with pytest.raises(BitstreamError, match="image 1 of the batch: the stream needs model"):
        mcm_fast.decompress_many(streams)
    for call in (
        lambda: codec.compress_many(images[:1], on_error="ignore"),
        lambda: codec.decompress_many([], on_error=""),
        lambda: mcm_fast.decompress_many([], on_error="skip"),
    ):
        with pytest.raises(ValueError, match="on_error is 'raise' or 'return'"):
            call()


def test_target_rate_of_a_batch(codec):
    images = [noise(64, 64), torch.zeros(1), noise(64, 64, seed=1)]
    found = codec.compress_many(images, target_bpp=1.0, on_error="return")
    assert [type(one) for one in found] == [bytes, ValueError, bytes]
    assert found[2] == codec.compress(images[2], target_bpp=1.0)


@pytest.fixture(scope="module")
def weights(codec, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "model.safetensors"
    model_file.save(codec.network, path)
    return path


def config_with(**changes) -> dict[str, str]:
    config = json.loads(Codec.untrained("tiny").network.config.to_json())
    return {"config": json.dumps(config | changes)}


STAGES = [{"factor": 4, "width": 16, "blocks": 1}, {"factor": 4, "width": 24, "blocks": 1}]
TAIL = [{"factor": 2, "width": 24, "blocks": 1}, {"factor": 2, "width": 32, "blocks": 1}]
HOSTILE_CONFIGS = {
    "none": {},
    "not-json": {"config": "{"},
    "deep": {"config": "[" * 100000},
    "long-number": {"config": '{"levels": ' + "9" * 5000 + "}"},
    "a-list": {"config": "[]"},
    "unknown-field": config_with(depth=3),
    "text": config_with(latent="16"),
    "float": config_with(levels=8.5),
    "latent": config_with(latent=32),
    "latent-float": config_with(latent=16.0),
    "hidden-float": config_with(hidden=8.0),
    "context-float": config_with(context=[4.0, 4.0, 4.0]),
    "width-float": config_with(stages=[{"factor": 4, "width": 16.0, "blocks": 1}, *TAIL]),
    "width-none": config_with(stages=[{"factor": 4, "width": None, "blocks": 1}, *TAIL]),
    "factor-float": config_with(stages=[{"factor": 4.0, "width": 16, "blocks": 1}, *TAIL]),
    "latent-huge": config_with(latent=2**40),
    "hidden-huge": config_with(hidden=2**40),
    "levels": config_with(levels=4),
    "levels-huge": config_with(levels=2**40),
    "slices": config_with(slices=4),
    "slices-none": config_with(slices=0),
    "stages": config_with(stages=STAGES),
    "stages-none": config_with(stages=[]),
    "width-huge": config_with(stages=[*STAGES[:1], {"factor": 4, "width": 2**40, "blocks": 1}]),
    "blocks-huge": config_with(stages=[*STAGES[:1], {"factor": 4, "width": 24, "blocks": 2**40}]),
    "factor-one": config_with(stages=[{"factor": 16, "width": 16, "blocks": 1}] + STAGES),
    "bottleneck": config_with(bottleneck=0.25),
    "bottleneck-negative": config_with(bottleneck=-1),
}


@pytest.mark.parametrize("metadata", HOSTILE_CONFIGS.values(), ids=HOSTILE_CONFIGS)
def test_hostile_configurations(weights, tmp_path, metadata):
    path = tmp_path / "model.safetensors"
    save_file(load_file(weights), path, metadata)
    with pytest.raises(ValueError, match="not a model file"):
        Codec.from_file(path)


HOSTILE_TENSORS = {
    "missing-float": lambda t: t.pop("network.gain.log_gain"),
    "missing-integers": lambda t: t.pop("slice.3.head.weight"),
    "shape": lambda t: t.update({"network.gain.log_gain": torch.zeros(8, 17)}),
    "nan": lambda t: t["network.gain.log_gain"].fill_(torch.nan),
    "infinite": lambda t: t["network.synthesis.conv.weight"].view(-1)[:1].fill_(torch.inf),
    "eight-bit-nan": lambda t: t.update(
        {"network.gain.log_gain": torch.full((8, 16), torch.nan, dtype=torch.float8_e4m3fn)}
    ),
    "integers-for-floats": lambda t: t.update(
        {"network.gain.log_gain": torch.zeros(8, 16, dtype=torch.int32)}
    ),
    "floats-for-integers": lambda t: t.update({"bias": t["bias"].double()}),
    "bias": lambda t: t["bias"].fill_(2**48),
    "bias-negative": lambda t: t["bias"].fill_(-(2**63)),
    "cdf-falls": lambda t: t["tables.cdf"].fill_(0),
    "cdf-full": lambda t: t["tables.cdf"][1:].fill_(2**14),
    "start": lambda t: t["tables.start"].fill_(-1),
    "start-scalar": lambda t: t.update({"tables.start": torch.tensor(0, dtype=torch.int32)}),
    "tables-many": lambda t: t.update(
        {
            "tables.cdf": torch.tensor([0, 1], dtype=torch.int16).repeat(65537),
            "tables.start": torch.arange(65538, dtype=torch.int32) * 2,
            "tables.minimum": torch.zeros(65537, dtype=torch.int32),
        }
    ),
    "start-beyond": lambda t: t["tables.start"][-1:].fill_(2**31 - 1),
    "minimum": lambda t: t["tables.minimum"].fill_(-(2**31)),
    "shift": lambda t: t["tables.shift"].fill_(5),
    "first": lambda t: t["tables.first"].fill_(2**31 - 1),
    "first-negative": lambda t: t["tables.first"].fill_(-1),
    "rendering": lambda t: t.update({"rendering.x.conv.weight": torch.zeros(1)}),
}


@pytest.mark.parametrize("change", HOSTILE_TENSORS.values(), ids=HOSTILE_TENSORS)
def test_hostile_tensors(weights, tmp_path, change):
    path, tensors = tmp_path / "model.safetensors", load_file(weights)
    change(tensors)
    save_file(tensors, path, config_with())
    with pytest.raises(ValueError, match="not a model file"):
        Codec.from_file(path)


def test_truncated_and_foreign_weights(weights, tmp_path):
    data, path = weights.read_bytes(), tmp_path / "model.safetensors"
    for bad in (b"", data[:7], data[:1000], data[:-1], b"\xff" * 100, b"\xff" * 8 + data[8:]):
        path.write_bytes(bad)
        with pytest.raises(ValueError, match="not a model file"):
            Codec.from_file(path)
    assert Codec.from_file(weights).integers.id
