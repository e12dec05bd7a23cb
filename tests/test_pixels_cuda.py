"""Exact pixels on a GPU: the code that runs there, on the CPU for proof, and where there is a GPU.

It equals the C++ engine to the bit; nothing is read back on the way from latents to pixels, which
the device "meta" shows: its tensors have no values that could be read.
"""

import weakref

import decoders
import numpy as np
import pytest
import torch
from conftest import GPU
from decoders import KINDS, decoder_of
from pixel_lists import latents_for, odd_preview, odd_rendering, tiny_rendering
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from mcm_fast import Codec, container, stream_decoder
from mcm_fast.exact.engine import Parameters
from mcm_fast.exact.pixels.cpu import CpuRenderer
from mcm_fast.exact.pixels.cuda import MEMORY, CudaRenderer
from mcm_fast.exact.pixels.decoder_file import DecoderFile, load_decoder
from mcm_fast.exact_pixels import ExactPixels

model, codec, decoder, streams = decoders.model, decoders.codec, decoders.decoder, decoders.streams
DEVICES = ["cpu", pytest.param("cuda", marks=GPU)]
SIZES = [(1, 1), (1, 4), (5, 1), (7, 9), (4, 26)]
NAMES = "faithful", "preview8", "preview16", "odd", "odd preview"


@pytest.fixture(scope="module")
def renderings(tmp_path_factory):
    path = tmp_path_factory.mktemp("pixels") / "tiny.decoder.safetensors"
    tiny_rendering(path)
    own = {"odd": odd_rendering(), "odd preview": odd_preview(8)}
    return load_decoder(path).renderings | own


@pytest.fixture(params=NAMES)
def rendering(request, renderings):
    return renderings[request.param]


def planes_of(rendering, height, width, spread, device="cpu"):
    """Latents for both engines, the pixels (3, H, W) that they stand for, and their quality."""
    arrays, quality = latents_for(rendering, height, width, spread)
    expected = CpuRenderer(rendering, 2).render(*arrays, quality).transpose(2, 0, 1)
    planes = [torch.from_numpy(array).to(device) for array in arrays]
    return planes, torch.from_numpy(expected.copy()), quality


@pytest.mark.parametrize("spread", [1.0, 20.0, 20000.0])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("device", DEVICES)
def test_equals_the_cpu(rendering, device, size, spread):
    planes, expected, quality = planes_of(rendering, *size, spread, device)
    found = CudaRenderer(rendering, device).render(*planes, quality)
    assert found.dtype == torch.uint8 and found.is_contiguous()
    assert torch.equal(found.cpu(), expected)


@pytest.mark.parametrize(
    ("memory", "height", "width"), [(1, 3, 5), (2**14, 5, 13), (2**17, 13, 22), (2**20, 13, 22)]
)
@pytest.mark.parametrize("device", DEVICES)
def test_windows_and_bands_do_not_show(rendering, device, memory, height, width):
    planes, expected, quality = planes_of(rendering, height, width, 8.0, device)
    renderer = CudaRenderer(rendering, device, memory=memory)
    size = height * rendering.block, width * rendering.block
    windows = list(renderer._windows((0, 0, *size), height, width))
    assert memory > 2**14 or len(windows) > 1
    assert torch.equal(renderer.render(*planes, quality).cpu(), expected)


def test_random_lists():
    for seed in range(6):
        rendering = odd_rendering(seed)
        planes, expected, quality = planes_of(rendering, 6, 5, 9.0)
        for memory in (2**13, MEMORY):
            found = CudaRenderer(rendering, "cpu", memory=memory).render(*planes, quality)
            assert torch.equal(found, expected), seed


@pytest.mark.parametrize("quality", [0, 1, 5000, 9999, 10000])
@pytest.mark.parametrize("device", DEVICES)
def test_quality(rendering, device, quality):
    arrays, _ = latents_for(rendering, 3, 2, 3.0)
    expected = CpuRenderer(rendering).render(*arrays, quality).transpose(2, 0, 1)
    planes = [torch.from_numpy(array).to(device) for array in arrays]
    found = CudaRenderer(rendering, device).render(*planes, quality)
    assert np.array_equal(found.cpu().numpy(), expected)


@pytest.mark.parametrize("memory", [2**18, MEMORY])
def test_box_is_the_crop(rendering, memory):
    height, width = 11, 17
    planes, whole, quality = planes_of(rendering, height, width, 8.0)
    renderer, block = CudaRenderer(rendering, "cpu", memory=memory), rendering.block
    rng = np.random.default_rng(memory)
    for turned in (False, True) * 2:
        top, bottom = sorted(rng.choice(height * block + 1, 2, replace=False).tolist())
        left, right = sorted(rng.choice(width * block + 1, 2, replace=False).tolist())
        how = {"box": (top, left, bottom, right), "transposed": turned}
        found = renderer.render(*planes, quality, **how)
        expected = whole[:, top:bottom, left:right]
        assert torch.equal(found, expected.transpose(1, 2) if turned else expected)
        assert found.is_contiguous()


def test_windows_cover_a_box_once(renderings):
    rendering = renderings["faithful"]
    renderer, box = CudaRenderer(rendering, "cpu", memory=2**25), (7, 5, 1600, 3001)
    covered = torch.zeros(box[2], box[3], dtype=torch.int8)
    windows = list(renderer._windows(box, 100, 188))
    for top, left, bottom, right in windows:
        covered[top:bottom, left:right] += 1
        first, start, last, end = renderer.seen(100, 188, (top, left, bottom, right))
        assert (last - first) * (end - start) <= 1.2 * renderer._most
    assert (covered[7:, 5:] == 1).all() and covered.sum() == covered[7:, 5:].numel()
    assert 1 < len(windows) < 40


class Watched(TorchDispatchMode):
    """Devices of all tensors that torch takes or makes, and the most bytes made that are alive."""

    def __init__(self):
        super().__init__()
        self.devices, self.peak, self.storages = set(), 0, {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        given, made = (
            [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]
            for tree in ((args, kwargs), out)
        )
        self.devices |= {tensor.device.type for tensor in given + made}
        known = {tensor.untyped_storage()._cdata for tensor in given} - self.storages.keys()
        for tensor in made:
            self._count(tensor.untyped_storage(), tensor, known)
        self.peak = max(self.peak, sum(size for size, _ in self.storages.values()))
        return out

    def _count(self, storage, tensor, known):
        key = storage._cdata
        if key not in known:
            size, tensors = self.storages.get(key, (storage.nbytes(), 0))
            self.storages[key] = size, tensors + 1
            weakref.finalize(tensor, self._gone, key)

    def _gone(self, key):
        size, tensors = self.storages.pop(key)
        if tensors > 1:
            self.storages[key] = size, tensors - 1


def test_nothing_leaves_the_device(rendering):
    planes, _, quality = planes_of(rendering, 6, 9, 8.0, "meta")
    for memory in (2**18, MEMORY):
        renderer = CudaRenderer(rendering, "meta", memory=memory)
        with Watched() as watched:
            found = renderer.render(*planes, quality, box=(1, 0, 5, 9), transposed=True)
        assert watched.devices == {"meta"}
        assert found.shape == (3, 9, 4) and found.device.type == "meta"


def test_memory_is_bounded(renderings):
    """By what is alive at once, beside the latents; of the pixels there is one copy."""
    rendering = renderings["faithful"]
    planes, _, quality = planes_of(rendering, 40, 60, 8.0)
    pixels, peaks = 3 * 40 * 60 * 256, []
    for memory in (2**23, 2**24, 2**25, MEMORY):
        renderer = CudaRenderer(rendering, "cpu", memory=memory)
        with Watched() as watched:
            renderer.render(*planes, quality)
        assert watched.peak <= memory + pixels
        peaks.append(watched.peak)
    assert peaks == sorted(peaks) and peaks[-1] > 4 * peaks[0]


def test_arguments(renderings):
    rendering = renderings["odd"]
    planes, expected, quality = planes_of(rendering, 2, 3, 1.0)
    renderer = CudaRenderer(rendering, "cpu")
    high = 3 * rendering.block
    for box in ((0, 0, 0, 1), (0, 0, high, 1), (-1, 0, 1, 1), (0, 3, 1, 2)):
        with pytest.raises(ValueError, match="within"):
            renderer.render(*planes, quality, box=box)
    for wrong in (-1, 10001):
        with pytest.raises(ValueError, match="quality"):
            renderer.render(*planes, wrong)
    for i in range(4):
        for wrong in (planes[i][:-1], planes[i].long(), planes[i][:, :1], planes[i][0]):
            with pytest.raises(ValueError):
                renderer.render(*planes[:i], wrong, *planes[i + 1 :], 0)
    planes[2][0] = 255  # as the last: on a GPU a place beyond a table's end would be fatal
    renderer.render(*planes, quality)


@pytest.fixture
def painting(codec, model, monkeypatch):
    """A function: a codec that paints with a GPU's code on a device from now on."""

    def paint(device):
        file = DecoderFile(decoder_of(model))
        made = {name: CudaRenderer(file.rendering(name), device) for name in file.renderings}
        monkeypatch.setattr(ExactPixels, "renderer", lambda self, name: made.get(name))
        return codec

    return paint


@pytest.mark.parametrize("kind", KINDS)
def test_a_codec_paints(painting, decoder, streams, kind, monkeypatch):
    """Whole, in batches, boxes, previews, bands of tiles; gray, alpha and portraits."""
    codec, stream = painting("cpu"), streams[kind]
    for scale in (1, 8, 16):
        expected = decoder.decompress(stream, scale=scale).transpose(2, 0, 1)
        found = codec.decompress(stream, scale=scale, exact=True)
        assert np.array_equal(found.numpy(), expected) and found.is_contiguous()
        (many,) = codec.decompress_many([stream], scale=scale, exact=True)
        assert torch.equal(many, found)
    header = container.read_header(stream)
    box = header.width // 3, 0, header.width, header.height // 2 + 1
    expected = decoder.decompress(stream, box=box).transpose(2, 0, 1)
    assert np.array_equal(codec.decompress(stream, box=box, exact=True).numpy(), expected)
    drawn = codec.synthesis(codec.decode(stream), exact=True)
    whole = codec.decompress(stream, exact=True)
    assert torch.equal(drawn, whole[: len(drawn)])
    monkeypatch.setattr(stream_decoder, "BAND", 1)
    assert torch.equal(codec.decompress(stream, exact=True), whole)


def test_damaged_tiles_become_gray(painting, decoder, streams):
    codec, stream = painting("cpu"), bytearray(streams["tiles"])
    stream[container.read_header(streams["tiles"]).tile_places[1][0] + 5] ^= 1
    with pytest.warns(UserWarning, match="gray"):
        found = codec.decompress(bytes(stream), exact=True, on_damage="blank")
    with pytest.warns(UserWarning, match="gray"):
        expected = decoder.decompress(bytes(stream), on_damage="blank").transpose(2, 0, 1)
    assert np.array_equal(found.numpy(), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_a_codec_on_a_device(painting, streams, kind, monkeypatch):
    """From latents on a device to the image there: nothing but the stream's alpha is on the CPU."""
    codec, stream = painting("meta").with_limits(), streams[kind]
    expected = {scale: codec.decompress(stream, scale=scale, exact=False) for scale in (1, 8)}
    monkeypatch.setattr(codec, "device", torch.device("meta"))
    decode, parameters = codec._decode_items, codec._parameters
    decode_rows = codec._decode_rows

    def away(each):
        return each.to("meta")

    def items(coded):
        return [(away(y), away(z), sent(said)) for y, z, said in decode(coded)]

    def sent(said):
        return Parameters(away(said.mu), away(said.indexes), away(said.hyper))

    def rows_of(coded, rows):
        return [(away(y), away(z)) for y, z in decode_rows(coded, rows)]

    def of_meta(y, z, quality, part):
        zeros = (torch.zeros(plane.shape, dtype=plane.dtype) for plane in (y, z))
        return sent(parameters(*zeros, quality, part))

    monkeypatch.setattr(codec, "_decode_items", items)
    monkeypatch.setattr(codec, "_decode_rows", rows_of)
    monkeypatch.setattr(codec, "_parameters", of_meta)
    for scale, image in expected.items():
        found = codec.decompress(stream, scale=scale, exact=True)
        assert found.device.type == "meta" and found.shape == image.shape
        assert found.dtype == torch.uint8
        (many,) = codec.decompress_many([stream], scale=scale, exact=True)
        assert many.device.type == "meta" and many.shape == image.shape


def test_which_renderer(codec, model):
    """A GPU's codec has this one, all others the CPU's; and none for another model's indexes."""
    identity = codec.integers.id, model
    assert isinstance(ExactPixels(*identity, torch.device("cpu")).renderer("other"), CpuRenderer)
    gpu = ExactPixels(*identity, torch.device("cuda:0"))
    made = []
    gpu._renderers = gpu._found()
    gpu._renderers._make = lambda rendering: made.append(rendering)
    assert gpu.renderer("third") is None
    gpu.renderer("other")
    assert len(made) == 1 and made[0].y_channels == codec.integers.y_channels
    ladder = len(made[0].tensors["means"])
    with pytest.raises(ValueError, match=f"for {ladder} indexes; those of its model are"):
        gpu._on_device(ladder + 1, made[0])
    assert codec._painter("faithful", 1, None) is codec._painter("faithful", 1, True)


@GPU
@pytest.mark.parametrize("kind", KINDS)
def test_the_road_on_a_gpu(model, decoder, streams, kind):
    codec = Codec.from_file(model, "cuda")
    for scale in (1, 8, 16):
        expected = decoder.decompress(streams[kind], scale=scale).transpose(2, 0, 1)
        found = codec.decompress(streams[kind], scale=scale, exact=True)
        assert found.device.type == "cuda" and np.array_equal(found.cpu().numpy(), expected)


@GPU
def test_floats_by_default(model):
    codec = Codec.from_file(model, "cuda")
    assert codec._painter("faithful", 1, None) is codec.network.synthesis
    assert isinstance(codec._painter("faithful", 1, True), CudaRenderer)
