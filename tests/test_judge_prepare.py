"""Making a study: contestants and their spelling, equal bytes, folders, what is kept."""

import json
from pathlib import Path

import pytest
import torch
from conftest import noise
from typer.testing import CliRunner

from mcm_fast import Codec
from mcm_fast.evaluation import anchors
from mcm_fast.evaluation.judge.contestants import OURS, make, nearest, parse, parse_all
from mcm_fast.evaluation.judge.prepare import prepare
from mcm_fast.evaluation.judge.study import Study
from mcm_fast.evaluation.measure import distortion
from mcm_fast.images import read_image, write_image

pytest.importorskip("pytorch_msssim", reason="needs the extra [judge]")


def _photo(height: int, width: int, seed: int) -> torch.Tensor:
    """A uint8 image smooth enough to be compressed."""
    coarse = noise(height // 8, width // 8, seed)[None].float()
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear")[0]
    return (smooth + noise(height, width, seed + 1) / 16).clamp(0, 255).to(torch.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    write_image(_photo(128, 192, 0), folder / "a.png")
    write_image(_photo(136, 104, 5), folder / "b.png")
    return folder


def test_spelling() -> None:
    plain, rendered = parse("mcm"), parse("MCM:perceptual:effort=3:bpp=0.25")
    assert (plain.name, plain.kind, plain.rendering, plain.options) == ("mcm", OURS, "faithful", {})
    assert rendered.rendering == "perceptual"
    assert rendered.options == {"effort": 3, "bpp": 0.25}
    assert rendered.name == "mcm:perceptual:effort=3:bpp=0.25"
    assert parse("webp:quality=40").options == {"quality": 40}


@pytest.mark.parametrize(
    "text, reason",
    [
        ("GIF", "no codec 'GIF'"),
        ("JPEG:effort=3", "no option 'effort'"),
        ("mcm:quality=x", "'x' is not a number"),
        ("mcm:quality=5:bpp=0.1", "either quality or bpp"),
        ("HiFiC=absent", "a folder that exists"),
    ],
)
def test_bad_spelling(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse(text)


def test_two_different_contestants_are_needed() -> None:
    for texts in (["JPEG"], ["JPEG", "jpeg", "WebP"]):
        with pytest.raises(ValueError, match="different contestants"):
            parse_all(texts)


@pytest.mark.parametrize("name", ["JPEG", "WebP", "JXL"])
def test_the_nearest_size_of_all_qualities(name: str) -> None:
    if not anchors.is_available(name):
        pytest.skip(f"this Pillow does not write {name}")
    anchor, image = anchors.ANCHORS[name], _photo(128, 192, 0)
    sizes = [len(anchors.encode(anchor, image, quality)) for quality in range(0, 100, 3)]
    for budget in (1, sizes[12], sizes[30], 10**6):
        found = len(nearest(lambda quality: anchors.encode(anchor, image, quality), budget))
        assert abs(found - budget) <= min(abs(size - budget) for size in sizes)


def test_effort_is_passed_on_where_there_is_one(codec: Codec) -> None:
    image, spelled = _photo(64, 64, 0), parse("mcm:effort=2:quality=30")

    class WithEffort:
        asked = None

        def compress(self, image, quality=50.0, *, effort=0, target_bpp=None):
            self.asked = effort
            return codec.compress(image, quality)

        def decompress(self, stream, *, rendering):
            return codec.decompress(stream, rendering)

    class Without:
        def compress(self, image, quality=50.0, *, target_bpp=None): ...

    other = WithEffort()
    picture = make(spelled, image, "a", None, other)
    assert other.asked == 2 and picture.pixels.shape == image.shape and picture.bytes > 0
    with pytest.raises(ValueError, match="no effort"):
        make(spelled, image, "a", None, Without())


def test_a_rate_out_of_reach_is_told() -> None:
    with pytest.warns(UserWarning, match="a: JPEG takes"):
        make(parse("JPEG"), _photo(64, 64, 0), "a", 10, None)
    with pytest.raises(ValueError, match="give quality or bpp"):
        make(parse("JPEG"), _photo(64, 64, 0), "a", None, None)


@pytest.fixture(scope="module")
def elsewhere(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of another codec: here WebP's, as PNG."""
    made = tmp_path_factory.mktemp("elsewhere")
    sizes = {}
    for path in folder.iterdir():
        data = anchors.encode(anchors.ANCHORS["WebP"], read_image(path)[0], 60)
        sizes[path.stem] = len(data)
        write_image(anchors.decode(data), made / f"{path.stem}.png")
    (made / "bytes.json").write_text(json.dumps(sizes))
    return made


def test_a_study_at_equal_bytes(folder: Path, elsewhere: Path, tmp_path: Path) -> None:
    """The first contestant's bytes are everyone's; what people see is what was measured."""
    contestants = parse_all([f"Theirs={elsewhere}", "JPEG", "WebP"])
    steps: list[int] = []
    study = prepare(folder, contestants, tmp_path / "s", step=lambda: steps.append(1), votes=5)
    assert len(steps) == 6 and study.codecs == ["Theirs", "JPEG", "WebP"]
    assert Study.load(tmp_path / "s") == study and study.votes == 5
    for image in study.images:
        original, _ = read_image(folder / f"{image.name}.png")
        assert (image.height, image.width) == tuple(original.shape[1:])
        budget = image.measures["Theirs"]["bytes"]
        for codec in study.codecs:
            picture, _ = read_image(study.folder / image.files[codec])
            assert image.measures[codec]["psnr"] == distortion(original, picture)["psnr"]
            assert image.measures[codec]["bytes"] == pytest.approx(budget, rel=0.12)
        assert image.measures["WebP"]["bytes"] == pytest.approx(budget, rel=0.01)
        shown, _ = read_image(study.folder / image.files["original"])
        ruin, _ = read_image(study.folder / image.files["ruin"])
        assert torch.equal(shown, original) and distortion(original, ruin)["psnr"] < 30


def test_the_same_study_is_kept_and_another_refused(folder: Path, tmp_path: Path) -> None:
    contestants = parse_all(["JPEG:quality=20", "WebP"])
    first = prepare(folder, contestants, tmp_path)
    assert prepare(folder, contestants, tmp_path, step=lambda: pytest.fail("made again")) == first
    with pytest.raises(ValueError, match="another study"):
        prepare(folder, contestants, tmp_path, seed=3)


def test_pictures_that_do_not_fit(folder: Path, tmp_path: Path) -> None:
    contestants = parse_all([f"Theirs={tmp_path}", "JPEG"])
    with pytest.raises(ValueError, match="0 pictures of a"):
        prepare(folder, contestants, tmp_path / "s")
    write_image(noise(10, 12), tmp_path / "a.png")
    with pytest.raises(ValueError, match="12x10 instead of 192x128"):
        prepare(folder, contestants, tmp_path / "s")


def test_the_command_makes_a_study_with_our_codec(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("choix", reason="needs the extra [judge]")
    from mcm_fast.cli.main import app

    arguments = ["judge", folder, "--codec", "mcm", "--codec", "mcm:perceptual", "--codec", "JPEG"]
    arguments += ["--bpp", "0.4", "--out", tmp_path / "s", "--export", tmp_path / "out"]
    found = CliRunner().invoke(app, list(map(str, arguments)))
    assert found.exit_code == 0, found.output
    assert "DISTS: available: no" in found.output and "result.html" in found.output
    study = Study.load(tmp_path / "s")
    assert study.codecs == ["mcm", "mcm:perceptual", "JPEG"]
    ours, perceptual = (study.images[0].measures[name] for name in study.codecs[:2])
    assert ours["bpp"] == perceptual["bpp"] == pytest.approx(0.4, rel=0.05)
    assert ours["psnr"] != perceptual["psnr"]
    again = ["judge", str(tmp_path / "s"), "--export", str(tmp_path / "again")]
    assert CliRunner().invoke(app, again).exit_code == 0
    with pytest.raises(ValueError, match="softer"):
        bad = ["judge", str(folder), "--codec", "mcm:softer", "--codec", "JPEG"]
        CliRunner().invoke(app, bad, catch_exceptions=False)
