"""decompress(stream, scale=8): the whole of it, boxes, tiles, gray, alpha, damage; in floats and in
the integers of a decoder's file."""

import warnings

import decoders
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from decoders import KINDS, QUALITY, decoder_of, picture
from PIL import Image
from training_runs import run

import mcm_fast
from mcm_fast import BitstreamError, Codec, alpha, container, stream_decoder
from mcm_fast.channels import gray_of
from mcm_fast.exact.pixels.decoder_file import load_decoder
from mcm_fast.exact.pixels.reference import render
from mcm_fast.images import read_image
from mcm_fast.limits import SCALES

model, codec, decoder, streams = decoders.model, decoders.codec, decoders.decoder, decoders.streams


def mean_of_blocks(plane: torch.Tensor, scale: int) -> torch.Tensor:
    """uint8 (H, W) -> (ceil(H / scale), ceil(W / scale)), of what there is of a block, rounded
    half up."""
    rows = [plane[i : i + scale] for i in range(0, len(plane), scale)]
    blocks = [[row[:, j : j + scale] for j in range(0, plane.shape[1], scale)] for row in rows]
    means = [[(2 * b.sum().item() + b.numel()) // (2 * b.numel()) for b in row] for row in blocks]
    return torch.tensor(means, dtype=torch.uint8)


def finished(image: torch.Tensor, latents, kind: str, scale: int) -> torch.Tensor:
    """uint8 (3, h, w) of the coded grid -> the preview (C, H, W)."""
    image = image.transpose(1, 2) if latents.transposed else image
    image = image[:, : -(-latents.height // scale), : -(-latents.width // scale)]
    image = gray_of(image) if latents.gray else image
    original, _ = picture(kind)
    if len(original) in (2, 4):
        image = torch.cat((image, mean_of_blocks(original[-1], scale)[None]))
    return image


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_head_draws_it(codec, streams, kind, scale):
    latents = codec.decode(streams[kind])
    level = torch.full((1,), QUALITY / 100 * (codec.network.config.levels - 1))
    image = codec.preview(codec.network.inverse_gain(latents.y[None].float(), level), scale)[0]
    image = (image * 255).round().clamp(0, 255).to(torch.uint8)
    found = codec.decompress(streams[kind], scale=scale)
    expected = finished(image, latents, kind, scale)
    assert found.shape == expected.shape
    assert (found.int() - expected.int()).abs().max() <= 1


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_reference_s_pixels(codec, decoder, model, streams, kind, scale):
    latents = codec.decode(streams[kind])
    said = codec.engine.parameters(latents.y, latents.z, latents.quality_steps)
    rendering = load_decoder(decoder_of(model)).renderings[f"preview{scale}"]
    planes = latents.y, said.mu, said.indexes, said.hyper[:0]
    image = render(rendering, *planes, latents.quality_steps)
    expected = finished(image, latents, kind, scale).permute(1, 2, 0).numpy()
    found = decoder.decompress(streams[kind], scale=scale)
    assert np.array_equal(found, expected) and found.flags.c_contiguous
    near = codec.decompress(streams[kind], scale=scale).permute(1, 2, 0).numpy()
    assert np.abs(near.astype(int) - found).max() <= 2


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_box_is_the_crop_of_the_whole(codec, decoder, streams, kind, scale, monkeypatch):
    """Of the pixels that it touches, whatever is painted at once."""
    whole = decoder.decompress(streams[kind], scale=scale)
    floats = codec.decompress(streams[kind], scale=scale)
    header = container.read_header(streams[kind])
    rng = np.random.default_rng(header.width)
    for band in (stream_decoder.BAND, 1):
        monkeypatch.setattr(stream_decoder, "BAND", band)
        for _ in range(6):
            left, top = rng.integers(0, header.width), rng.integers(0, header.height)
            right = rng.integers(left, header.width) + 1
            bottom = rng.integers(top, header.height) + 1
            rows = slice(top // scale, -(-bottom // scale))
            columns = slice(left // scale, -(-right // scale))
            box = (left, top, right, bottom)
            part = decoder.decompress(streams[kind], scale=scale, box=box)
            assert np.array_equal(part, whole[rows, columns])
            near = codec.decompress(streams[kind], scale=scale, box=box)
            assert (near.int() - floats[:, rows, columns].int()).abs().max() <= 1


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "tiles" in kind])
def test_tiles_do_not_show(codec, decoder, streams, kind, monkeypatch):
    """And nothing is computed of the entropy model but what decoding computes."""
    image, _ = picture(kind)
    plain = codec.compress(image, QUALITY, tiles=0)
    for one in (codec, decoder):
        monkeypatch.setattr(one, "_parameters", None)
    for scale in SCALES:
        exact = decoder.decompress(plain, scale=scale)
        assert np.array_equal(decoder.decompress(streams[kind], scale=scale), exact)
        floats = codec.decompress(plain, scale=scale)
        found = codec.decompress(streams[kind], scale=scale)
        assert (found.int() - floats.int()).abs().max() <= 1


def test_large_previews_come_in_pieces(codec, streams):
    small = codec.with_limits(tile_pixels=64 * 64)
    for scale in SCALES:
        whole = codec.decompress(streams["tiles-gray"], scale=scale)
        pieces = small.decompress(streams["tiles-gray"], scale=scale)
        assert (whole.int() - pieces.int()).abs().max() <= 1


def test_only_the_tiles_that_it_sees_are_read(decoder, streams):
    """Of tiles of 64 pixels, those under a box and 3 latents around it: others may be damaged."""
    stream, whole = streams["tiles-gray"], decoder.decompress(streams["tiles-gray"], scale=8)
    header = container.read_header(stream)
    boxes = {(0, 0, 16, 16): {0}, (130, 0, 131, 9): {1, 2}, (130, 10, 131, 20): {1, 2, 7, 8}}
    for box, tiles in boxes.items():
        left, top, right, bottom = (n // 8 for n in (*box[:2], box[2] + 7, box[3] + 7))
        expected = whole[top:bottom, left:right]
        for i, (start, _) in enumerate(header.tile_places):
            damaged = bytearray(stream)
            damaged[start + 5] ^= 1
            if i in tiles:
                with pytest.raises(BitstreamError, match="tile"):
                    decoder.decompress(bytes(damaged), scale=8, box=box)
            else:
                found = decoder.decompress(bytes(damaged), scale=8, box=box)
                assert np.array_equal(found, expected), (box, i)


@pytest.mark.parametrize("kind", ["tiles", "tiles-portrait", "tiles-gray"])
def test_damaged_tiles_become_gray(codec, decoder, streams, kind):
    header = container.read_header(streams[kind])
    damaged = bytearray(streams[kind])
    damaged[header.tile_places[1][0] + 5] ^= 1
    with pytest.raises(BitstreamError):
        decoder.decompress(bytes(damaged), scale=8)
    tile = header.tiles[1].turned(header.transposed)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        exact = decoder.decompress(bytes(damaged), scale=8, on_damage="blank")
        floats = codec.decompress(bytes(damaged), scale=8, on_damage="blank")
    assert len(told) == 2 and all(str(tuple(tile)) in str(w.message) for w in told)
    left, top, right, bottom = tile.divided(8)
    colours = 1 if header.gray else 3
    assert (exact[top:bottom, left:right, :colours] == 128).all()
    assert (floats[:colours, top:bottom, left:right] == 128).all()
    assert (exact[top:bottom, left:right, colours:] == 255).all()
    whole = decoder.decompress(streams[kind], scale=8)
    assert np.array_equal(exact[bottom + 6 :], whole[bottom + 6 :])


def test_many(codec, streams):
    kinds = ["rgb", "tiles", "pixel"]
    found = codec.decompress_many([streams[kind] for kind in kinds], scale=8)
    for kind, image in zip(kinds, found, strict=True):
        assert torch.equal(image, codec.decompress(streams[kind], scale=8))


def test_the_public_face(codec, decoder, model, streams, tmp_path, monkeypatch):
    stream, exact = streams["rgba"], decoder.decompress(streams["rgba"], scale=16)
    floats = codec.decompress(stream, scale=16)
    assert torch.equal(mcm_fast.decompress(stream, scale=16, model=model), floats)
    many = mcm_fast.decompress_many([stream], scale=16, model=model)
    assert torch.equal(many[0], floats)
    assert np.array_equal(mcm_fast.imread(stream, scale=16, model=model), exact)
    (tmp_path / "a.mcm").write_bytes(stream)
    run("decompress", tmp_path / "a.mcm", tmp_path / "a.png", "--scale", 16, "--model", model)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "a.png")), exact)


def test_what_is_refused(codec, decoder, streams):
    for scale in (0, 2, 4, 8.0, True, "8"):
        for one in (codec, decoder):
            with pytest.raises(ValueError, match="scale"):
                one.decompress(streams["rgb"], scale=scale)
    plain = Codec(codec.network, codec.integers)
    with pytest.raises(ValueError, match="no previews"):
        plain.decompress(streams["rgb"], scale=8)
    assert plain.decompress(streams["rgb"], scale=1).shape == (3, 44, 75)
    for one in (codec, decoder):
        assert not {"preview8", "preview16"} & one.renderings.keys()
        with pytest.raises(ValueError, match="rendering"):
            one.decompress(streams["rgb"], "preview8")
        with pytest.raises(ValueError, match="box"):
            one.decompress(streams["rgb"], scale=8, box=(0, 0, 76, 44))
        with pytest.raises(BitstreamError, match="limit"):
            one.with_limits(max_pixels=1000).decompress(streams["rgb"], scale=8)


@pytest.mark.parametrize("shape", [(1, 1), (16, 16), (17, 33), (5, 100)])
@pytest.mark.parametrize("scale", SCALES)
def test_alpha_is_the_mean_of_a_block(shape, scale):
    plane = torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(4)).byte()
    found = alpha.shrunk(plane.numpy(), scale)
    assert found.dtype == np.uint8
    assert np.array_equal(found, mean_of_blocks(plane, scale).numpy())
    for value in (0, 255):
        assert (alpha.shrunk(np.full(shape, value, np.uint8), scale) == value).all()


@pytest.mark.parametrize("scale", SCALES)
def test_the_shipped_model_on_photographs(kodak, scale):
    """At quality 50 within 2 dB of the whole image's means, both against the original's."""
    codec, less = mcm_fast.load("small"), []
    for number in (4, 12, 22):
        image, _ = read_image(kodak[number])
        stream = codec.compress(image, 50)
        original = F.avg_pool2d(image.double(), scale)
        whole = F.avg_pool2d(codec.decompress(stream, exact=False).double(), scale)
        found = codec.decompress(stream, scale=scale, exact=False).double()
        errors = [(each - original).square().mean() for each in (found, whole)]
        less.append(10 * (errors[0] / errors[1]).log10().item())
    assert sum(less) / len(less) < 2, less
