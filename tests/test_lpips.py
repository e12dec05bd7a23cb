"""LPIPS: the known values, and what its files and its gradient must be."""

import io
from pathlib import Path

import pytest
import torch
from conftest import DATA, noise
from PIL import Image

from mcm_fast.evaluation.lpips import _BUILDERS, _WIDTHS, LPIPS
from mcm_fast.images import read_image


def _write_random(folder: Path, net: str) -> tuple[Path, Path]:
    """State dicts of random weights, as torchvision and the LPIPS package name them."""
    torch.manual_seed(0)
    features = _BUILDERS[net]().state_dict()
    backbone = {f"features.{key}": value for key, value in features.items()}
    backbone["classifier.1.weight"] = torch.zeros(1)
    heads = {
        f"lin{i}.model.1.weight": torch.rand(1, width, 1, 1) for i, width in enumerate(_WIDTHS[net])
    }
    paths = folder / f"{net}net.pth", folder / f"{net}_heads.pth"
    for path, state in zip(paths, (backbone, heads), strict=True):
        torch.save(state, path)
    return paths


@pytest.fixture
def random_lpips(tmp_path: Path) -> LPIPS:
    return LPIPS(*_write_random(tmp_path, "squeeze"))


def _pixels(seed: int, count: int = 1, side: int = 64) -> torch.Tensor:
    return torch.stack([noise(side, side, seed + i) for i in range(count)]) / 255


def test_values_of_kodim23(kodak: list[Path]) -> None:
    folder = DATA / "lpips"
    if not folder.is_dir():
        pytest.skip("the weights of LPIPS are not here (../shared/data/lpips)")
    metric = LPIPS(folder)
    source = next(path for path in kodak if path.stem == "kodim23")
    image, _ = read_image(source)
    found = []
    for quality in (5, 10, 25, 50, 75, 95):
        file = io.BytesIO()
        Image.open(source).save(file, "JPEG", quality=quality)
        decoded, _ = read_image(file)
        found.append(metric(image[None] / 255, decoded[None] / 255).item())
    assert found == pytest.approx([0.518, 0.435, 0.230, 0.128, 0.079, 0.013], abs=6e-4)


def test_is_zero_at_zero_and_has_a_gradient_there(random_lpips: LPIPS) -> None:
    image = _pixels(0).requires_grad_()
    distance = random_lpips(image, image.detach())
    assert distance.tolist() == [0.0]
    (gradient,) = torch.autograd.grad(distance.sum(), image)
    assert torch.equal(gradient, torch.zeros_like(gradient))


def test_is_differentiable_where_no_feature_is_active(random_lpips: LPIPS) -> None:
    """All features at zero: a root without its epsilon would have an infinite slope."""
    torch.nn.init.constant_(random_lpips.features[0].bias, -1e6)
    image = _pixels(0).requires_grad_()
    random_lpips(image, _pixels(5)).sum().backward()
    assert image.grad.isfinite().all()


def test_one_distance_for_each_sample(random_lpips: LPIPS) -> None:
    a, b = _pixels(0, 3), _pixels(10, 3)
    together = random_lpips(a, b)
    each = torch.cat([random_lpips(x[None], y[None]) for x, y in zip(a, b, strict=True)])
    assert together.shape == (3,)
    torch.testing.assert_close(together, each, rtol=1e-5, atol=1e-7)  # sums in another order


def test_is_frozen_and_in_fp32_under_autocast(random_lpips: LPIPS) -> None:
    a, b = _pixels(0), _pixels(10)
    with torch.autocast("cpu", torch.bfloat16):
        found = random_lpips(a.bfloat16().float(), b.bfloat16().float())
    assert found.dtype == torch.float32
    assert torch.equal(found, random_lpips(a.bfloat16().float(), b.bfloat16().float()))
    assert not any(p.requires_grad for p in random_lpips.parameters())


@pytest.mark.parametrize("net", ["squeeze", "vgg", "alex"])
def test_the_keys_say_which_network_it_is(tmp_path: Path, net: str) -> None:
    for metric in (LPIPS(*_write_random(tmp_path, net)), LPIPS(tmp_path), LPIPS(tmp_path, net=net)):
        assert metric.net == net
        side = metric.min_side
        assert metric(_pixels(0, side=side), _pixels(1, side=side)).item() > 0
        with pytest.raises(ValueError, match=f"below {side}"):
            metric(_pixels(0, side=side - 1), _pixels(1, side=side - 1))


def test_one_of_several_networks_is_chosen_by_name(tmp_path: Path) -> None:
    for net in ("squeeze", "alex"):
        _write_random(tmp_path, net)
    with pytest.raises(ValueError, match="name one of several"):
        LPIPS(tmp_path)
    assert LPIPS(tmp_path, net="alex").net == "alex"


def test_files_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    backbone, heads = _write_random(tmp_path, "squeeze")
    other = tmp_path / "other"
    other.mkdir()
    alex, alex_heads = _write_random(other, "alex")
    with pytest.raises(ValueError, match="no backbone with its heads"):
        LPIPS(backbone, alex_heads)
    with pytest.raises(ValueError, match="heads is needed"):
        LPIPS(backbone)
    with pytest.raises(ValueError, match="none of squeeze"):
        LPIPS(backbone, heads, net="resnet")
    state = torch.load(backbone, weights_only=True)
    torch.save({k: v for k, v in state.items() if "features.3." not in k}, backbone)
    with pytest.raises(ValueError, match="not LPIPS' squeeze"):
        LPIPS(backbone, heads)
    heads.write_bytes(b"no weights")
    with pytest.raises(ValueError, match=heads.name):
        LPIPS(backbone, heads)
    with pytest.raises(OSError):
        LPIPS(tmp_path / "absent.pth", heads)


def test_shapes_are_checked(random_lpips: LPIPS) -> None:
    for a, b in ((_pixels(0), _pixels(0, 2)), (_pixels(0)[:, :1], _pixels(0)[:, :1])):
        with pytest.raises(ValueError, match=r"\(N, 3, H, W\)"):
            random_lpips(a, b)
