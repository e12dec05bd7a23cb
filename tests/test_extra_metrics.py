"""DISTS, PIM and SSIMULACRA2: loading of files with the published names and shapes, and values."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import noise
from tf_checkpoints import write_checkpoint

from mcm_fast.evaluation.dists import DISTS
from mcm_fast.evaluation.extras import load_extras
from mcm_fast.evaluation.lpips import vgg16
from mcm_fast.evaluation.metrics import title
from mcm_fast.evaluation.tf_checkpoint import read_checkpoint


@pytest.fixture(scope="module")
def dists_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights with the names of torchvision's VGG-16 and of the authors' weights.pt."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("dists")
    state = {f"features.{key}": value for key, value in vgg16().state_dict().items()}
    torch.save(state, folder / "vgg16-397923af.pth")
    weights = {key: torch.rand(1, 1475, 1, 1) for key in ("alpha", "beta")}
    torch.save(weights, folder / "weights.pt")
    return folder


def test_dists_of_equal_images_is_zero(dists_files: Path) -> None:
    metric, image = DISTS(dists_files), noise(40, 50)
    assert metric.measure(image, image) == pytest.approx(0, abs=1e-6)
    assert metric.measure(image[:, :15], image[:, :15]) is None
    assert not any(p.requires_grad for p in metric.parameters())


def test_dists_by_hand_where_only_the_image_counts(dists_files: Path, tmp_path: Path) -> None:
    """alpha and beta are 0 beyond the first tap, the image itself: three channels are left."""
    alpha, beta = (torch.zeros(1, 1475, 1, 1) for _ in "ab")
    alpha[:, :3], beta[:, :3] = 1.0, 2.0
    torch.save({"alpha": alpha, "beta": beta}, tmp_path / "weights.pt")
    (tmp_path / "vgg.pth").symlink_to(dists_files / "vgg16-397923af.pth")
    a, b = noise(20, 30, 1), noise(20, 30, 2)
    likeness = 0.0
    for x, y in zip(a.double() / 255, b.double() / 255, strict=True):
        m, n, c = x.mean(), y.mean(), 1e-6
        cov = ((x - m) * (y - n)).mean()
        likeness += (2 * m * n + c) / (m * m + n * n + c) / 9
        structure = (2 * cov + c) / (x.var(correction=0) + y.var(correction=0) + c)
        likeness += structure * 2 / 9
    assert DISTS(tmp_path).measure(a, b) == pytest.approx(1 - likeness.item(), abs=1e-5)


def test_dists_grows_with_noise(dists_files: Path) -> None:
    metric, image = DISTS(dists_files), noise(64, 64) // 2 + 60
    found = [metric.measure(image, image + noise(64, 64, 1) // k) for k in (64, 16, 8)]
    assert 0 < found[0] < found[1] < found[2] < 1


def test_files_that_are_not_of_dists(dists_files: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no VGG-16"):
        DISTS(tmp_path)
    (tmp_path / "vgg.pth").symlink_to(dists_files / "vgg16-397923af.pth")
    with pytest.raises(ValueError, match="no 'alpha' and 'beta'"):
        DISTS(tmp_path)
    torch.save({"alpha": torch.ones(5), "beta": torch.ones(5)}, tmp_path / "weights.pt")
    with pytest.raises(ValueError, match=r"1475 .*got alpha \(5,\)"):
        DISTS(tmp_path)
    with pytest.raises(OSError):
        DISTS(tmp_path / "absent")


def _pim_tensors(mixtures: int) -> dict[str, np.ndarray]:
    """Random weights with the names that TensorFlow gives to the published model's variables."""
    generator, end = np.random.default_rng(0), "/.ATTRIBUTES/VARIABLE_VALUE"
    shapes: dict[str, tuple[int, ...]] = {}
    for level in range(8):
        inputs = 3
        for layer, width in enumerate((64, 64, 64, 3)):
            name = f"frontend/cnns/{level}/layer_with_weights-{layer}"
            shapes |= {f"{name}/kernel": (5, 5, inputs, width), f"{name}/bias": (width,)}
            inputs = width
        encoder, width = f"marginal_encoder/encoders/{level}", 10 * mixtures
        for layer, inputs in enumerate((3, width)):
            name = f"{encoder}/base/{layer}"
            shapes |= {f"{name}/kernel": (inputs, width), f"{name}/bias": (width,)}
        mix = [("mix/0", 3), ("mix/1", mixtures), ("logit_layer", mixtures)]
        for name, inputs in mix if mixtures > 1 else []:
            shapes[f"{encoder}/{name}/kernel"] = (inputs, mixtures)
            shapes[f"{encoder}/{name}/bias"] = (mixtures,)
    return {
        name + end: generator.normal(0, 0.4 / max(1, np.prod(shape[:-1])) ** 0.4, shape)
        for name, shape in shapes.items()
    }


_CONFIG = {
    "multiscale": "Steerable",
    "nscales": 3,
    "steerable_filter_type": 1,
    "cnn": "Conv",
    "num_filters": [64, 64, 64, 3],
    "padding": "same",
    "num_distribution_encoder_layers": 2,
    "z_dim": 10,
}


def _write_pim(folder: Path, mixtures: int, **changes: object) -> Path:
    folder.mkdir(exist_ok=True)
    config = _CONFIG | {"num_marginal_encoder_mixtures": mixtures} | changes
    (folder / "config.json").write_text(json.dumps(config))
    write_checkpoint(folder / "weights", _pim_tensors(mixtures))
    return folder


@pytest.mark.parametrize("mixtures", [1, 5])
def test_pim_is_zero_at_zero_and_grows(tmp_path: Path, mixtures: int) -> None:
    pytest.importorskip("pyrtools", reason="needs the extra [metrics]")
    from mcm_fast.evaluation.pim import PIM

    metric = PIM(_write_pim(tmp_path / "pim", mixtures))
    image = noise(72, 80) // 2 + 60
    assert metric.name == f"pim_{mixtures}" and title(metric.name) == f"PIM-{mixtures}"
    assert metric.measure(image, image) == 0
    small, large = (metric.measure(image, image + noise(72, 80, 1) // k) for k in (32, 4))
    assert 0 < small < large
    assert metric.measure(image, image + 1) == metric.measure(image, image + 1)  # its own seed
    assert metric.measure(image[:, :63], image[:, :63]) is None


def test_pim_one_is_a_mean_of_squares_over_the_pyramids_levels(tmp_path: Path) -> None:
    pytest.importorskip("pyrtools", reason="needs the extra [metrics]")
    from mcm_fast.evaluation.pim import PIM

    metric = PIM(_write_pim(tmp_path / "pim", 1))
    a, b = (noise(64, 96, seed)[None] / 255 for seed in (1, 2))
    levels = metric.pyramid(a)
    sizes = [(8, 12), *[(16, 24)] * 2, *[(32, 48)] * 2, *[(64, 96)] * 3]
    assert [tuple(level.shape[2:]) for level in levels] == sizes
    total = 0.0
    for i, (x, y) in enumerate(zip(levels, metric.pyramid(b), strict=True)):
        x, y = (metric.cnns[i](t).permute(0, 2, 3, 1) for t in (x, y))
        total += (metric.means[i](x).relu() - metric.means[i](y).relu()).square().mean().item() / 8
    assert metric(a, b).item() == pytest.approx(total)


def test_files_that_are_not_of_pim(tmp_path: Path) -> None:
    pytest.importorskip("pyrtools", reason="needs the extra [metrics]")
    from mcm_fast.evaluation.pim import PIM

    folder = _write_pim(tmp_path / "pim", 1, multiscale="Laplacian")
    with pytest.raises(ValueError, match="Laplacian"):
        PIM(folder)
    (folder / "config.json").write_text("{}")
    with pytest.raises(ValueError, match="not a configuration"):
        PIM(folder)
    _write_pim(folder, 1, z_dim=11)
    with pytest.raises(ValueError, match="10 means are not 1 x 11"):
        PIM(folder)
    _write_pim(folder, 1)
    write_checkpoint(folder / "weights", dict(list(_pim_tensors(1).items())[:-4]))
    with pytest.raises(ValueError, match="no marginal_encoder/encoders/7"):
        PIM(folder)


def test_checkpoints_are_read(tmp_path: Path) -> None:
    tensors = {f"layer/{i}/kernel": np.arange(i * 7.0).reshape(i, 7) for i in range(60)}
    write_checkpoint(tmp_path / "w", tensors, block=400)
    found = read_checkpoint(tmp_path / "w")
    assert list(found) == sorted(tensors)
    assert all(np.array_equal(found[name], value) for name, value in tensors.items())
    data = (tmp_path / "w.index").read_bytes()
    for bad in (b"", data[:-1], data[:40] + data[-48:], data[:-8] + bytes(8)):
        (tmp_path / "w.index").write_bytes(bad)
        with pytest.raises(ValueError, match="checkpoint"):
            read_checkpoint(tmp_path / "w")


def test_ssimulacra2_on_a_scale_of_a_hundred() -> None:
    pytest.importorskip("ssimulacra2", reason="needs the extra [metrics]")
    (metric,), available = load_extras(ssimulacra2=True)
    image = noise(64, 64) // 8 + 100
    assert metric.measure(image, image) == pytest.approx(100)
    assert metric.measure(image, image + noise(64, 64, 1) // 16) < 95
    assert metric.measure(image[:, :7], image[:, :7]) is None
    assert available["SSIMULACRA2"] == "yes" and available["PIM"].startswith("no: its weights")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ssimulacra2", None)
    with pytest.raises(ImportError, match=r"ssimulacra2.*pip install mcm-fast\[metrics\]"):
        load_extras(ssimulacra2=True)
