"""Effort: better latents by true bytes and pixels, the same each time, and nothing else touched."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from conftest import noise

import mcm_fast
from mcm_fast.cli.effort import progress_bar, read_importance
from mcm_fast.codec import Codec
from mcm_fast.effort import budget, improve, improve_to
from mcm_fast.effort.budget import BUDGETS
from mcm_fast.effort.goal import LAMBDA, goal_of
from mcm_fast.effort.surrogate import FixedAffine, Surrogate
from mcm_fast.effort.windows import windows
from mcm_fast.network.distribution import mu_shift
from mcm_fast.network.level_affine import LevelAffine


def cost(codec, image, latents, rendering="faithful", weights=1.0) -> float:
    """J, counted apart from the search."""
    level = latents.quality_steps / 10000 * (codec.network.config.levels - 1)
    error = (codec.synthesis(latents, rendering).float() - image.float()) / 255
    bpp = 8 * len(codec.encode(latents)) / image[0].numel()
    return (
        bpp + LAMBDA * codec.network.config.lmbda(level) * (weights * error.square()).mean().item()
    )


def text(height: int, width: int) -> torch.Tensor:
    """Black strokes on white."""
    image = torch.full((3, height, width), 255, dtype=torch.uint8)
    image[:, 4 : height - 4 : 5, 3 : width - 3] = 0
    image[:, 2 : height - 2, 5::7] = 0
    return image


def ramp(height: int, width: int) -> torch.Tensor:
    """A smooth picture."""
    rows, columns = torch.linspace(0, 200, height), torch.linspace(0, 55, width)
    plane = rows[:, None] + columns[None]
    return torch.stack((plane, 255 - plane, plane / 2)).to(torch.uint8)


IMAGES = {
    "noise": noise(64, 96),
    "text": text(48, 80),
    "flat": torch.full((3, 64, 64), 37, dtype=torch.uint8),
    "pixel": noise(1, 1),
    "portrait": ramp(150, 60),
    "odd": noise(67, 33),
}


@pytest.mark.parametrize("quality", [0, 55.5, 100])
@pytest.mark.parametrize("name", IMAGES)
def test_never_worse(codec, name, quality):
    image = IMAGES[name]
    plain = codec.analysis(image, quality)
    found = improve(codec, image, plain, effort=1)
    assert cost(codec, image, found) <= cost(codec, image, plain)
    assert codec.decode(codec.encode(found)) == found
    assert found._header() == plain._header()


def test_better_with_effort(codec):
    """Even with random weights."""
    image = ramp(96, 128)
    plain = codec.analysis(image, 60)
    costs = [cost(codec, image, improve(codec, image, plain, effort=e)) for e in (1, 4)]
    assert costs[0] < cost(codec, image, plain) and costs[-1] < costs[0]


def test_bolder_where_the_loss_is_large(monkeypatch):
    """Text at the highest quality: its latents are many steps from where they should be."""
    codec, image = mcm_fast.load("small"), text(64, 96)
    plain = codec.analysis(image, 100)
    bold = cost(codec, image, improve(codec, image, plain, effort=3))
    monkeypatch.setattr(budget, "_BOLDEST", 1.0)
    shy = cost(codec, image, improve(codec, image, plain, effort=3))
    assert bold < 0.9 * shy, (bold, shy)


def test_efforts_take_more_steps():
    steps = [BUDGETS[effort].steps for effort in range(1, 10)]
    assert steps == sorted(set(steps))


def test_effort_0_is_the_plain_latents(codec):
    image = noise(20, 20)
    plain = codec.analysis(image)
    assert improve(codec, image, plain, effort=0) is plain
    with pytest.raises(ValueError, match="importance needs an effort"):
        improve(codec, image, plain, effort=0, importance=torch.ones(20, 20))


@pytest.mark.parametrize("effort", [-1, 10, 2.0, "3", None, True])
def test_bad_effort(codec, effort):
    image = noise(20, 20)
    with pytest.raises(ValueError, match="effort"):
        improve(codec, image, codec.analysis(image), effort=effort)


BAD_MAPS = {
    "negative": torch.full((20, 30), -0.1),
    "not finite": torch.full((20, 30), math.inf),
    "no number": torch.full((20, 30), math.nan),
    "turned": torch.ones(30, 20),
    "three planes": torch.ones(3, 20, 30),
    "text": "everywhere",
}


@pytest.mark.parametrize("name", BAD_MAPS)
def test_bad_importance(codec, name):
    image = noise(20, 30)
    with pytest.raises(ValueError, match="importance"):
        improve(codec, image, codec.analysis(image), effort=1, importance=BAD_MAPS[name])


def test_bad_objective_and_rendering(codec):
    image = noise(20, 30)
    plain = codec.analysis(image)
    with pytest.raises(ValueError, match="unknown objective 'speed'"):
        improve(codec, image, plain, effort=1, objective="speed")
    with pytest.raises(ValueError, match="161"):
        improve(codec, image, plain, effort=1, objective="ms-ssim")
    with pytest.raises(ValueError, match="unknown rendering"):
        improve(codec, image, plain, effort=1, rendering="rosy")


def test_deterministic_and_alone(codec):
    """Equal calls, equal latents, whatever the caller's mode; the caller's state is its own."""
    image = ramp(64, 80)
    plain = codec.analysis(image, 40)
    before = plain.y.clone(), plain.z.clone()
    first = improve(codec, image, plain, effort=2)
    torch.manual_seed(5)
    state = torch.get_rng_state()
    with torch.no_grad():
        assert improve(codec, image, plain, effort=2) == first
        assert not torch.is_grad_enabled()
    with torch.inference_mode():
        assert improve(codec, image.float() / 255, plain, effort=2) == first
    assert torch.is_grad_enabled() and torch.equal(torch.get_rng_state(), state)
    assert torch.equal(plain.y, before[0]) and torch.equal(plain.z, before[1])
    assert not any(p.requires_grad or p.grad is not None for p in codec.network.parameters())
    assert not codec.network.context.quantized


def test_engines_read_it(codec, reference):
    image = noise(40, 56)
    found = improve(codec, image, codec.analysis(image, 30), effort=1)
    stream = codec.encode(found)
    assert reference.encode(found) == stream
    assert codec.decode(stream) == reference.decode(stream) == found


def test_latents_of_another_source(codec):
    """Not what the analysis rounds to: the search begins at them."""
    image = ramp(48, 64)
    plain = codec.analysis(image, 50)
    moved = plain.y.clone()
    moved[0] += 1
    other = dataclasses.replace(plain, y=moved)
    found = improve(codec, image, other, effort=2)
    assert cost(codec, image, found) < cost(codec, image, other)


def test_windows(codec, monkeypatch):
    """Several windows: better than plain, the same each time."""
    image = torch.cat((ramp(150, 320), noise(150, 320)), 2)
    plain = codec.analysis(image, 50)
    assert len(windows(*plain.y.shape[1:], 2**16)) == 3
    monkeypatch.setattr(
        "mcm_fast.effort.search.windows", lambda height, width: windows(height, width, 2**16)
    )
    found = improve(codec, image, plain, effort=1)
    assert cost(codec, image, found) < cost(codec, image, plain)
    assert improve(codec, image, plain, effort=1) == found


@pytest.mark.parametrize("size", [(19, 63), (100, 9), (24, 130), (1, 1), (33, 250)], ids=str)
def test_windows_answer_for_every_latent_once(size):
    count_y, count_z = torch.zeros(size), torch.zeros(-(-size[0] // 4), -(-size[1] // 4))
    parts = windows(*size, area=2**17)
    for part in parts:
        free = part.free(torch.device("cpu"))
        shape = tuple(count_y[part.of_y()].shape)
        y, z = free or (torch.ones(1, 1, *shape), torch.ones(1, 1, *count_z[part.of_z()].shape))
        assert y.shape[2:] == shape
        count_y[part.of_y()] += y[0, 0]
        count_z[part.of_z()] += z[0, 0]
        rows, columns = part.of_pixels(16 * size[0] - 7, 16 * size[1] - 3)
        for seen, side in ((rows, 16 * size[0] - 7), (columns, 16 * size[1] - 3)):
            assert seen.stop - seen.start > 160 or (seen.start, seen.stop) == (0, side)  # MS-SSIM
        assert rows.start == 16 * part.of_y()[0].start
    assert (count_y == 1).all() and (count_z == 1).all()


def test_importance_moves_bits(codec):
    """The left half counts, the right hardly: error moves from the left to the right."""
    image = ramp(96, 128)
    plain = codec.analysis(image, 60)
    weights = torch.full((96, 128), 0.01)
    weights[:, :64] = 1
    even = improve(codec, image, plain, effort=4)
    odd = improve(codec, image, plain, effort=4, importance=weights)
    assert cost(codec, image, odd, weights=weights) < cost(codec, image, even, weights=weights)
    assert cost(codec, image, odd, weights=weights) < cost(codec, image, plain, weights=weights)
    ones = improve(codec, image, plain, effort=2, importance=np.ones((96, 128)))
    assert ones == improve(codec, image, plain, effort=2)


def test_importance_of_a_portrait(codec):
    """The map is turned with the image."""
    image, weights = ramp(128, 96), torch.ones(128, 96)
    weights[:64] = 0.01
    found = improve(codec, image, codec.analysis(image), effort=2, importance=weights)
    turned = image.transpose(1, 2)
    other = improve(
        codec, turned, codec.analysis(turned), effort=2, importance=weights.transpose(0, 1)
    )
    assert torch.equal(found.y, other.y) and torch.equal(found.z, other.z)


def test_ms_ssim(codec):
    pytest.importorskip("pytorch_msssim")
    from mcm_fast.evaluation.metrics import ms_ssim

    image = torch.cat((ramp(176, 88), noise(176, 88)), 2)
    plain = codec.analysis(image, 60)
    found = improve(codec, image, plain, effort=2, objective="ms-ssim")
    lmbda = LAMBDA * codec.network.config.lmbda(0.6 * (codec.network.config.levels - 1))

    def j(latents) -> float:
        loss = 0.02 * (1 - ms_ssim(codec.synthesis(latents), image))
        return 8 * len(codec.encode(latents)) / image[0].numel() + lmbda * loss

    assert j(found) < j(plain)


def test_surrogate_is_the_decoder(codec):
    """At whole latents it predicts what the integers do, and shows what the decoder shows."""
    image = ramp(64, 96)
    latents = codec.analysis(image, 70)
    exact = codec.engine.parameters(latents.y, latents.z, latents.quality_steps)
    level = torch.full((1,), 0.7 * (codec.network.config.levels - 1))
    surrogate = Surrogate(codec.network, codec.network.synthesis, level)
    y, z = latents.y[None].float(), latents.z[None].float()
    with torch.no_grad():
        _, mu, index, hyper = surrogate.rate(y, z)
        _, pixels = surrogate(y, z)
    # A float's rounding may fall on the other side of a step, and now and then does.
    step = torch.exp2(mu_shift(exact.indexes.float()))
    steps = torch.floor(exact.mu / step + 0.5) * step  # what the tables leave of mu
    pairs = (mu * 16, steps), (index, exact.indexes), (hyper * 16, exact.hyper)
    for found, expected in pairs:
        assert (found[0] == expected).float().mean() > 0.97
    difference = (pixels[0] * 255).clamp(0, 255) - codec.synthesis(latents).float()
    assert difference.abs().mean() < 1


@pytest.mark.parametrize("activation", [True, False])
def test_fixed_affine_is_level_affine(activation):
    """The same numbers and slopes, beyond both ends of the range too."""
    generator = torch.Generator().manual_seed(3)
    affine = LevelAffine(4, 6, activation).requires_grad_(False)
    affine.alpha.copy_(torch.rand(4, 6, generator=generator))
    affine.beta.copy_(torch.randn(4, 6, generator=generator))
    affine.quantized, level = True, torch.tensor([1.3])
    values = 20 * torch.randn(1, 6, 30, 30, generator=generator)
    weights = torch.randn(1, 6, 30, 30, generator=generator)
    results = []
    for layer in (affine, FixedAffine(affine, level)):
        leaf = values.clone().requires_grad_()
        out = layer(leaf, level)
        (out * weights).sum().backward()
        results.append((out.detach(), leaf.grad))
    (out, slope), (fixed_out, fixed_slope) = results
    # A fused product and sum may round to the other side of a step, once in a great while.
    assert ((out - fixed_out).abs() < 1e-5).float().mean() > 0.999
    assert ((slope - fixed_slope).abs() < 1e-5).float().mean() > 0.999
    assert not activation or (out.min() < -7.9 and out.max() > 7.9)


def test_target(codec):
    image = ramp(96, 128)
    plain = {q: len(codec.compress(image, q)) for q in (20, 80)}
    target = (plain[20] + plain[80]) / 2

    def analysis(quality: int):
        return codec.analysis(image, quality / 100)

    told = []
    found = improve_to(codec, image, target, analysis, effort=1, progress=told.append)
    assert abs(len(codec.encode(found)) - target) <= 0.02 * target
    assert told == sorted(told) and told[-1] == 1


def test_progress(codec):
    image, told = noise(20, 20), []
    improve(codec, image, codec.analysis(image), effort=1, progress=told.append)
    assert told == sorted(told) and told[-1] == 1 and len(told) >= BUDGETS[1].steps


def test_goal_turns_with_the_image():
    image = noise(10, 20)
    goal = goal_of(image, True, 1.0, "psnr", None)
    assert torch.equal(goal.image[0], image.transpose(1, 2).float() / 255)
    assert goal.cost(200.0, goal.image).item() == 1.0


def test_mask_file(tmp_path):
    from PIL import Image

    values = np.array([[0, 51], [255, 102]], np.uint8)
    Image.fromarray(values).save(tmp_path / "mask.png")
    found = read_importance(tmp_path / "mask.png")
    assert torch.equal(found, torch.from_numpy(values).float() / 255)
    Image.fromarray(values.astype(np.uint16) * 257).save(tmp_path / "wide.png")
    assert torch.allclose(read_importance(tmp_path / "wide.png"), found)
    (tmp_path / "no.png").write_text("no picture")
    with pytest.raises(ValueError, match="picture"):
        read_importance(tmp_path / "no.png")


def test_no_bar_without_a_terminal():
    with progress_bar("name", 5) as progress:
        assert progress is None


def test_a_gpu_has_slopes():
    """The copy that a GPU searches with is what its fused GDN was made of."""
    from mcm_fast.effort.surrogate import _unfused
    from mcm_fast.transforms.weights import FusedGDN

    layer = Codec.untrained("tiny").network.synthesis.stages[0].gdn
    x = noise(6, 5)[:1].float().expand(1, layer.beta.numel(), 6, 5) / 64
    plain = _unfused(FusedGDN(layer))
    assert torch.allclose(plain(x), layer(x), rtol=1e-4)
