"""Evaluation with a codec whose answers are known: Pillow's JPEG behind the codec's interface."""

import csv
import io
import json
import math
from pathlib import Path

import pytest
import torch
import typer
from conftest import DATA
from PIL import Image
from typer.testing import CliRunner

from mcm_fast import Codec, model_file
from mcm_fast.cli.eval import evaluate as evaluate_command
from mcm_fast.evaluation import anchors
from mcm_fast.evaluation.anchors import ANCHORS
from mcm_fast.evaluation.float_network import evaluate_float, in_container
from mcm_fast.evaluation.measure import compare, evaluate
from mcm_fast.evaluation.report import markdown, to_csv, to_json, write_all
from mcm_fast.images import read_image, write_image
from mcm_fast.network.model import Network
from mcm_fast.presets import config_of
from mcm_fast.training.export import put_synthesis

for package in ("scipy", "matplotlib", "pytorch_msssim"):
    pytest.importorskip(package, reason="needs the extra [train]")

QUALITIES = [20.0, 50.0, 90.0]


class JpegCodec:
    """JPEG as `Codec` is called."""

    def compress(self, image: torch.Tensor, quality: float) -> bytes:
        return anchors.encode(ANCHORS["JPEG"], image, int(quality))

    def decompress(self, stream: bytes) -> torch.Tensor:
        return anchors.decode(stream)


def _photo(height: int, width: int, seed: int) -> torch.Tensor:
    """A uint8 image smooth enough to be compressed."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, height // 8, width // 8, generator=generator)
    image = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic")[0]
    image = image + 0.05 * torch.randn(image.shape, generator=generator)
    return (image * 255).clamp(0, 255).to(torch.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two images: one large enough for MS-SSIM, a small one of odd size; and what is no image."""
    folder = tmp_path_factory.mktemp("photos")
    write_image(_photo(168, 176, 0), folder / "a.png")
    write_image(_photo(65, 83, 1), folder / "b.png")
    (folder / "notes.txt").write_text("not an image")
    return folder


@pytest.fixture(scope="module")
def result(folder: Path):
    same = ANCHORS["JPEG"]._replace(qualities=(20, 50, 90))
    curves = {"JPEG": anchors.points(folder, same), **anchors.measure(folder, ["WebP"])}
    return evaluate(JpegCodec(), folder, QUALITIES, anchors=curves, label="ours")


def test_rows_hold_true_bytes(folder: Path, result) -> None:
    assert [(r["image"], r["quality"]) for r in result.rows] == [
        (name, quality) for name in ("a.png", "b.png") for quality in QUALITIES
    ]
    row = result.rows[4]
    image, _ = read_image(folder / "b.png")
    data = JpegCodec().compress(image, 50)
    assert (row["width"], row["height"], row["bytes"]) == (83, 65, len(data))
    assert row["bpp"] == 8 * len(data) / (65 * 83)
    error = (anchors.decode(data).float() - image.float()).square().mean().item()
    assert row["psnr"] == pytest.approx(10 * math.log10(255**2 / error))
    assert row["ms_ssim"] is None and 0 < result.rows[1]["ms_ssim"] < 1
    assert row["encode_s"] > 0 and row["decode_s"] > 0


def test_means_are_over_images(result) -> None:
    assert result.curve["quality"] == QUALITIES
    for key in ("bpp", "psnr", "encode_s"):
        a, b = (result.rows[i][key] for i in (1, 4))
        assert result.curve[key][1] == pytest.approx((a + b) / 2)
    assert result.curve["ms_ssim"][1] == result.rows[1]["ms_ssim"]  # of the one that has it


def test_jpeg_against_jpeg_costs_nothing(result) -> None:
    against = {c.anchor: c for c in compare(result)}
    assert against["JPEG"].bd_rate.percent == pytest.approx(0, abs=1e-6)
    assert against["JPEG"].psnr.test == pytest.approx(against["JPEG"].psnr.anchor)
    low, high = (result.curve["psnr"][i] for i in (0, -1))
    assert against["JPEG"].bd_rate[1:] == pytest.approx((low, high))
    assert against["WebP"].bd_rate.percent > 0
    assert against["WebP"].psnr.test < against["WebP"].psnr.anchor


def test_lpips_is_measured_where_it_can_be(folder: Path) -> None:
    from mcm_fast.evaluation.lpips import LPIPS

    if not (DATA / "lpips").is_dir():
        pytest.skip("the weights of LPIPS are not here (../shared/data/lpips)")
    found = evaluate(JpegCodec(), folder, [20.0, 90.0], LPIPS(DATA / "lpips"))
    coarse, fine = found.curve["lpips_squeeze"]
    assert coarse > fine > 0


def test_reports_can_be_read_again(tmp_path: Path, result) -> None:
    write_all(result, tmp_path / "new" / "folder")
    written = {path.name: path for path in (tmp_path / "new" / "folder").iterdir()}
    assert sorted(written) == ["eval.csv", "eval.json", "eval.md", "rd.png"]
    curves = anchors.load_curves(written["eval.json"])
    assert list(curves) == ["ours", "JPEG", "WebP"]
    assert curves["ours"]["psnr"] == pytest.approx(result.curve["psnr"], abs=1e-6)
    rows = list(csv.DictReader(io.StringIO(to_csv(result))))
    assert len(rows) == 6 and float(rows[0]["bpp"]) == pytest.approx(result.rows[0]["bpp"])
    assert rows[5]["ms_ssim"] == ""
    with Image.open(written["rd.png"]) as picture:
        assert picture.format == "PNG" and min(picture.size) >= 600
    assert "| JPEG |" in markdown(result) and "| WebP |" in markdown(result)


def test_a_lossless_point_does_not_break_the_reports(tmp_path: Path, result) -> None:
    class Lossless(JpegCodec):
        def compress(self, image, quality):
            file = io.BytesIO()
            write_image(image, file, format="PNG")
            return file.getvalue()

    for image in ("a", "b"):
        write_image(_photo(40, 40, 3), tmp_path / f"{image}.png")
    found = evaluate(Lossless(), tmp_path, [50.0], anchors=result.anchors)
    assert found.curve["psnr"] == [math.inf]
    assert json.loads(to_json(found))["curves"]["mcm_fast"]["psnr"] == [None]
    assert compare(found)[0].bd_rate is None
    write_all(found, tmp_path / "out")


def test_anchors_are_kept_in_the_cache(tmp_path: Path, folder: Path) -> None:
    cache, calls = tmp_path / "anchors.json", []
    first = anchors.measure(folder, ["JPEG"], cache, lambda: calls.append(1))
    assert len(calls) == anchors.steps(folder, ["JPEG"]) == 2 * len(ANCHORS["JPEG"].qualities)
    assert anchors.measure(folder, ["JPEG"], cache, lambda: calls.append(1)) == first
    assert len(calls) == anchors.steps(folder, ["JPEG"])
    other = tmp_path / "other"
    other.mkdir()
    write_image(_photo(48, 48, 2), other / "a.png")
    assert anchors.measure(other, ["JPEG"], cache) != first


def test_curves_of_a_json(tmp_path: Path) -> None:
    path = tmp_path / "curves.json"
    own = {"bpp": [0.1, 0.2, 0.4], "psnr": [30, None, 34], "ms_ssim": [0.9, 0.91, 0.95], "n": 3}
    path.write_text(json.dumps({"curves": {"mine": own}}))
    assert anchors.load_curves(path) == {
        "mine": {"bpp": [0.1, 0.4], "psnr": [30, 34], "ms_ssim": [0.9, 0.95]}
    }
    path.write_text(json.dumps({"curves": {"mine": own, "vtm": own}}))
    assert list(anchors.load_curves(path)) == ["VTM"]
    for bad in ("[", "[]", "{}", '{"curves": {"a": {"bpp": [1]}}}', '{"curves": {"a": 3}}'):
        path.write_text(bad)
        with pytest.raises(ValueError, match=r"curves\.json"):
            anchors.load_curves(path)


def test_arguments_are_checked(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(ValueError, match="no images"):
        evaluate(JpegCodec(), tmp_path, QUALITIES)
    for qualities in ([], [101.0], [math.nan]):
        with pytest.raises(ValueError, match="qualities"):
            evaluate(JpegCodec(), folder, qualities)
    with pytest.raises(ValueError, match="'GIF'"):
        anchors.measure(folder, ["GIF"])


@pytest.fixture(scope="module")
def network() -> Network:
    return Codec.untrained("tiny", seed=3).network


def test_float_estimates_are_the_networks_own(folder: Path, network: Network) -> None:
    network.train()
    network.quantize(True)
    found = evaluate_float(network, folder, [0, 50, 100])
    assert network.training and network.context.quantized
    assert found.curve["quality"] == pytest.approx([0, 50, 100])
    assert "encode_s" not in found.curve
    network.eval()
    network.quantize(False)
    image, _ = read_image(folder / "b.png")
    padded = torch.nn.functional.pad(image[None] / 255, (0, 45, 0, 63), mode="replicate")
    with torch.inference_mode():
        out = network(padded, torch.tensor([3.5]))
    row = found.rows[4]
    assert row["bpp"] == pytest.approx((out.y_bits + out.z_bits).item() / (65 * 83))
    decoded = (out.image[0, :, :65, :83] * 255).round().clamp(0, 255)
    error = (decoded - image).square().mean().item()
    assert row["psnr"] == pytest.approx(10 * math.log10(255**2 / error), abs=1e-4)


def test_a_portrait_is_turned_for_the_float_network(tmp_path: Path, network: Network) -> None:
    image = torch.randint(0, 256, (3, 40, 90), dtype=torch.uint8)
    rows = []
    for name, picture in (("wide", image), ("tall", image.transpose(1, 2))):
        (tmp_path / name).mkdir()
        write_image(picture, tmp_path / name / "a.png")
        rows += evaluate_float(network, tmp_path / name, [50]).rows
    assert rows[0]["bpp"] == rows[1]["bpp"] and rows[0]["psnr"] == rows[1]["psnr"]


def test_float_estimates_in_the_codecs_container(folder: Path) -> None:
    """A container is the same few bytes, whatever the network costs."""
    codec = Codec.untrained("tiny", seed=3)
    found = evaluate_float(codec.network, folder, [20, 80], codec=codec)
    image, _ = read_image(folder / "b.png")
    latents = codec.analysis(image, 80)
    expected = len(codec.encode(latents)) - codec.ideal_bits(latents) / 8
    assert found.rows[3]["container"] == pytest.approx(expected)
    assert all(20 < row["container"] < 0.01 * row["bytes"] + 100 for row in found.rows)
    curve = in_container(found)
    assert curve["bytes"][1] - found.curve["bytes"][1] == pytest.approx(
        (found.rows[1]["container"] + found.rows[3]["container"]) / 2
    )
    assert curve["psnr"] == found.curve["psnr"]
    assert all(a > b for a, b in zip(curve["bpp"], found.curve["bpp"], strict=True))


def test_the_command_writes_everything(tmp_path: Path, folder: Path) -> None:
    torch.manual_seed(0)
    weights, out = tmp_path / "tiny.safetensors", tmp_path / "out"
    model_file.save(Network(config_of("tiny")).randomize(), weights)
    app = typer.Typer()
    app.command()(evaluate_command)
    arguments = ["--model", weights, "--float-weights", weights, "--qualities", "20,0,80"]
    arguments += ["--anchors", "JPEG", "--out", out, folder]
    outcome = CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)
    assert outcome.exit_code == 0
    assert "mcm_fast tiny against others" in outcome.stdout
    content = json.loads((out / "eval.json").read_text())
    names = ["mcm_fast tiny", "float network", "float network, in our container", "JPEG"]
    assert list(content["curves"]) == names
    assert content["curves"]["mcm_fast tiny"]["quality"] == [0, 20, 80]
    assert content["curves"]["float network"]["quality"] == pytest.approx([0, 20, 80])
    assert len(content["images"]) == 6 and (out / "rd.png").exists()
    again = ["--model", weights, "--label", "again", "--anchors", "", "--qualities", "50"]
    again += ["--curves", out / "eval.json", "--out", tmp_path / "second", folder]
    assert CliRunner().invoke(app, list(map(str, again))).exit_code == 0
    curves = json.loads((tmp_path / "second" / "eval.json").read_text())["curves"]
    assert list(curves) == ["again", *names]


def test_a_rendering_has_the_rate_of_the_faithful_one(tmp_path: Path, folder: Path) -> None:
    torch.manual_seed(0)
    path, out = tmp_path / "tiny.safetensors", tmp_path / "out"
    model_file.save(Network(config_of("tiny")).randomize(), path)
    put_synthesis(path, Network(config_of("tiny")).randomize(), path)
    curves = []
    for rendering in "faithful", "perceptual":
        arguments = {"qualities": "60", "anchors": "", "out": out, "rendering": rendering}
        evaluate_command(folder, model=str(path), **arguments)
        curves += json.loads((out / "eval.json").read_text())["curves"].items()
    (name, faithful), (other, perceptual) = curves
    assert (name, other) == ("mcm_fast tiny", "mcm_fast tiny perceptual")
    assert faithful["bpp"] == perceptual["bpp"] and faithful["psnr"] != perceptual["psnr"]
    with pytest.raises(ValueError, match="softer"):
        evaluate_command(folder, model=str(path), rendering="softer", out=out)


@pytest.mark.parametrize("qualities", ["", "1,x", "-1", "50,101"])
def test_the_command_checks_its_qualities(folder: Path, qualities: str) -> None:
    with pytest.raises(ValueError, match="--qualities"):
        evaluate_command(folder, qualities=qualities)


_KODAK = {  # quality: (bpp, PSNR), as measured with Pillow 13
    "JPEG": {20: (0.449, 29.15), 50: (0.869, 32.17), 70: (1.213, 33.92)},
    "WebP": {10: (0.274, 28.93), 25: (0.427, 30.72), 50: (0.673, 33.01), 70: (0.877, 34.48)},
    "AVIF": {
        25: (0.187, 28.80),
        35: (0.305, 30.60),
        45: (0.490, 32.70),
        55: (0.720, 34.55),
        65: (1.009, 36.43),
    },
}


@pytest.mark.parametrize("name", ["JPEG", "WebP", pytest.param("AVIF", marks=pytest.mark.slow)])
def test_anchors_on_kodak(kodak: list[Path], name: str) -> None:
    """Encoders differ a little between versions: within 1 % of rate and 0.05 dB."""
    if not anchors.is_available(name):
        pytest.skip(f"this Pillow does not write {name}")
    curve = anchors.points(kodak[0].parent, ANCHORS[name]._replace(qualities=tuple(_KODAK[name])))
    rates, values = zip(*_KODAK[name].values(), strict=True)
    assert curve["bpp"] == pytest.approx(rates, rel=0.01)
    assert curve["psnr"] == pytest.approx(values, abs=0.05)


def test_a_bad_file_is_left_out(folder: Path, tmp_path: Path) -> None:
    """It is told, and the others are measured as if it were not there."""
    codec = Codec.untrained("tiny", seed=3)
    for path in folder.glob("*.png"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "aa.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    with pytest.warns(UserWarning, match=r"aa\.png is left out: not a readable image"):
        rows = evaluate(codec, tmp_path, [50]).rows
    expected = [row["bytes"] for row in evaluate(codec, folder, [50]).rows]
    assert [row["bytes"] for row in rows] == expected
