"""What holds for any latents, any image, any damage, on every engine."""

import functools

import pytest
import torch
from conftest import ENGINES, ON_DEVICE, device_of, noise
from hostile import repaired
from hypothesis import given, settings
from hypothesis import strategies as st

from mcm_fast import BitstreamError, Codec, container
from mcm_fast.exact.engines import NAMES

HERE = [name for name in NAMES if name != "cuda" or torch.cuda.is_available()]


@functools.cache
def codec_on(engine: str) -> Codec:
    """Made when a test asks: an engine that cannot be made spoils its own tests alone."""
    return Codec.untrained("tiny", 0, device_of(engine), engine)


CODEC = codec_on("cpu")
INT16 = st.integers(-(2**15), 2**15 - 1)
SIDES = st.integers(1, 70)
QUALITIES = st.integers(0, 10000)


@st.composite
def latents(draw: st.DrawFn) -> tuple[torch.Tensor, torch.Tensor, int]:
    """y, z and a quality: latents of any spread, some of them anything, up to 4 x 4 positions."""
    height, width, quality = draw(st.integers(1, 4)), draw(st.integers(1, 4)), draw(QUALITIES)
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    model, spread = CODEC.integers, 2.0 ** draw(st.integers(-2, 16))
    tensors = []
    for shape in ((model.y_channels, height, width), (model.z_channels, 1, 1)):
        values = (spread * torch.randn(shape, generator=generator)).round()
        tensor = values.clamp(-(2**15), 2**15 - 1).to(torch.int16)
        places = st.integers(0, tensor.numel() - 1)
        for place, value in draw(st.dictionaries(places, INT16, max_size=8)).items():
            tensor.view(-1)[place] = value
        tensors.append(tensor)
    return *tensors, quality


@pytest.mark.parametrize("name", ENGINES)
@settings(max_examples=25, deadline=None)
@given(item=latents())
def test_any_latents_survive(name, item):
    y, z, quality = item
    engine = codec_on(name).engine
    [(coded, parameters)] = engine.encode([(y, z, quality)])
    assert coded.segments == CODEC.engine.encode([item])[0][0].segments
    [(found_y, found_z, found)] = engine.decode([(coded, *y.shape[1:], quality)])
    assert torch.equal(found_y.cpu(), y) and torch.equal(found_z.cpu(), z)
    for part in ("mu", "indexes", "hyper"):
        assert torch.equal(getattr(found, part), getattr(parameters, part))


@settings(max_examples=20, deadline=None)
@given(items=st.lists(latents(), max_size=5))
def test_any_batch_is_its_items(items):
    engine = CODEC.engine
    coded = engine.encode(items)
    assert [c.segments for c, _ in coded] == [
        engine.encode([item])[0][0].segments for item in items
    ]
    sizes = [(*y.shape[1:], quality) for y, _, quality in items]
    decoded = engine.decode([(c, *size) for (c, _), size in zip(coded, sizes, strict=True)])
    for (y, z, _), item in zip(decoded, items, strict=True):
        assert torch.equal(y, item[0]) and torch.equal(z, item[1])


DTYPES = (torch.uint8, torch.float16, torch.bfloat16, torch.float32, torch.float64)


@st.composite
def images(draw: st.DrawFn) -> torch.Tensor:
    """Noise in a few levels or many, of any size and type; contiguous, or a view."""
    height, width, top = draw(SIDES), draw(SIDES), draw(st.sampled_from((0, 1, 255)))
    image = noise(height, width, draw(st.integers(0, 100))).clamp(max=top)
    dtype = draw(st.sampled_from(DTYPES))
    image = image if dtype == torch.uint8 else (image / 255).to(dtype)
    return image.flip(2).transpose(1, 2) if draw(st.booleans()) else image


@settings(max_examples=50, deadline=None)
# Training, which other tests start in this process, flushes subnormal numbers.
@given(image=images(), quality=st.floats(0, 100, allow_subnormal=False))
def test_any_image_survives(image, quality):
    stream = CODEC.compress(image, quality)
    assert CODEC.decode(stream) == CODEC.analysis(image, quality)
    found = CODEC.decompress(stream)
    assert found.dtype == torch.uint8 and found.shape == image.shape and found.is_contiguous()
    assert container.pack(container.unpack(stream)) == stream


STREAM = CODEC.compress(noise(16, 24), 40)


@ON_DEVICE
@settings(max_examples=200, deadline=None)
@given(
    start=st.integers(0, len(STREAM)),
    removed=st.integers(0, 8),
    added=st.binary(max_size=8),
    is_repaired=st.booleans(),
)
def test_any_splice_is_an_image_or_an_error(start, removed, added, is_repaired):
    stream = STREAM[:start] + added + STREAM[start + removed :]
    stream = repaired(stream) if is_repaired else stream
    same = stream == STREAM
    outcomes = []
    for name in HERE:
        try:
            outcomes.append(codec_on(name).decode(stream))
        except BitstreamError:
            outcomes.append(None)
    assert all(outcome == outcomes[0] for outcome in outcomes)
    assert is_repaired or same or outcomes[0] is None
    if outcomes[0] is not None:
        channels = 1 if outcomes[0].gray else 3
        size = outcomes[0].height, outcomes[0].width
        assert CODEC.synthesis(outcomes[0]).shape == (channels, *size)


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=300), header=st.booleans())
def test_any_bytes_are_an_error(data, header):
    with pytest.raises(BitstreamError):
        CODEC.decompress(STREAM[:16] + data if header else data)
