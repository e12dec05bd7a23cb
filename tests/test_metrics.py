"""PSNR, MS-SSIM, and BD-rate on curves whose answer is known."""

import json
import math
import sys

import pytest
import torch
from conftest import DATA, noise

from mcm_fast.evaluation import metrics
from mcm_fast.evaluation.bd_rate import at_equal_rate, bd_rate

pytest.importorskip("scipy", reason="needs the extra [train]")
pytest.importorskip("pytorch_msssim", reason="needs the extra [train]")


def test_psnr_of_a_known_error() -> None:
    image = torch.full((3, 20, 30), 100, dtype=torch.uint8)
    assert metrics.psnr(image, image + 5) == pytest.approx(20 * math.log10(255 / 5))
    assert metrics.psnr(image, image - 5) == pytest.approx(20 * math.log10(255 / 5))  # no wrap
    assert metrics.psnr(image, image) == math.inf
    black = torch.zeros_like(image)
    assert metrics.psnr(black, black + 255) == 0


def test_images_are_checked() -> None:
    image = noise(8, 8)
    for other in (image.float(), image[None], image[:1], noise(8, 9)):
        with pytest.raises(ValueError):
            metrics.psnr(image, other)


def test_ms_ssim_wants_161_pixels() -> None:
    image = noise(161, 200)
    assert metrics.ms_ssim(image, image) == pytest.approx(1)
    assert 0 < metrics.ms_ssim(image, image // 2 + 60) < 1
    assert metrics.ms_ssim(image[:, :160], image[:, :160]) is None


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pytorch_msssim", None)
    with pytest.raises(ImportError, match=r"pytorch_msssim.*pip install mcm-fast\[train\]"):
        metrics.ms_ssim(noise(161, 161), noise(161, 161))


def _curve(psnr: list[float], rate_at=lambda q: math.exp((q - 35) / 6)) -> dict[str, list[float]]:
    return {"bpp": [rate_at(q) for q in psnr], "psnr": psnr}


def test_a_constant_factor_of_rate_is_the_bd_rate() -> None:
    anchor = _curve([28, 30, 33, 35, 38])
    for factor in (0.5, 1.0, 1.25):
        test = {"bpp": [factor * r for r in anchor["bpp"]], "psnr": anchor["psnr"]}
        found = bd_rate(anchor, test)
        assert found.percent == pytest.approx(100 * (factor - 1))
        assert (found.low, found.high) == (28, 38)


def test_only_the_common_range_counts() -> None:
    """ln R is linear in PSNR, which PCHIP reproduces, and the slopes differ: a mean by hand."""
    anchor = _curve([28, 30, 33, 35, 38])
    test = _curve([31, 32.5, 36, 40, 42], lambda q: math.exp((q - 35) / 5))
    found = bd_rate(anchor, test)
    mean = sum((q - 35) * (1 / 5 - 1 / 6) for q in (31, 38)) / 2
    assert found.percent == pytest.approx(100 * math.expm1(mean))
    assert (found.low, found.high) == (31, 38)


def test_bd_rate_of_a_curved_difference() -> None:
    """ln R differs by c (q - 30)^2 over 28 .. 38; within PCHIP's error on a fine grid."""
    grid = [28 + 0.25 * i for i in range(41)]
    anchor = _curve(grid)
    test = _curve(grid, lambda q: math.exp((q - 35) / 6 + 0.003 * (q - 30) ** 2))
    mean = 0.003 * (8**3 + 2**3) / 3 / 10
    assert bd_rate(anchor, test).percent == pytest.approx(100 * math.expm1(mean), rel=1e-3)


def test_order_repeats_and_infinity_do_not_matter() -> None:
    anchor = _curve([28, 30, 33, 35, 38])
    test = {"bpp": [*anchor["bpp"][::-1], 9.0, 20.0], "psnr": [38, 35, 33, 30, 28, 38, math.inf]}
    assert bd_rate(anchor, test).percent == pytest.approx(0, abs=1e-9)


def test_curves_without_a_common_range() -> None:
    assert bd_rate(_curve([28, 30]), _curve([31, 33])) is None
    assert bd_rate(_curve([28, 30]), _curve([29])) is None


def test_metrics_at_equal_rate() -> None:
    anchor = {"bpp": [0.1, 0.4, 1.6], "psnr": [28, 32, 36], "lpips_alex": [0.4, 0.2, 0.1]}
    test = {"bpp": [0.2, 0.4, 3.2], "psnr": [31, 33, 39], "lpips_vgg": [0.4, 0.2, 0.1]}
    found = at_equal_rate(anchor, test, "psnr")  # 2 dB an octave; the test curve 1 dB above
    assert found.test - found.anchor == pytest.approx(1)
    assert (found.low, found.high) == pytest.approx((0.2, 1.6))
    assert at_equal_rate(anchor, test, "lpips_alex") is None
    assert at_equal_rate(anchor, anchor, "lpips_alex").low == pytest.approx(0.1)


@pytest.mark.parametrize(
    "name, percent",
    [
        ("webp", 78.7),
        ("jpeg", 208),
        ("av1", 16.2),
        ("compressai-mbt2018_mse_cuda", 11.0),
        ("paper-elic2022_mse", -7.0),
        ("mlicplusplus_mse", -15.0),
    ],
)
def test_published_bd_rates_against_vtm(name: str, percent: float) -> None:
    path = DATA / "kodak_rd.json"
    if not path.exists():
        pytest.skip("the published curves are not here (../shared/data/kodak_rd.json)")
    curves = json.loads(path.read_text())["curves"]
    assert bd_rate(curves["vtm"], curves[name]).percent == pytest.approx(percent, abs=0.6)
