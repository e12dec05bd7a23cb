"""The command line's manners over a stand-in codec, and the road itself where weights are."""

import io
import json
import os
import signal
import subprocess
import sys
import time
import warnings

import pytest
import torch
from PIL import Image

import mcm_fast
from mcm_fast import container, images, model_file, presets
from mcm_fast.cli.main import main
from mcm_fast.container import Stream, pack, unpack
from mcm_fast.exact.engine import Coded
from mcm_fast.inputs import check_metadata


class FakeCodec:
    """Stores the pixels: the command line cannot tell."""

    def compress(self, image, quality=50.0, metadata=None, target_bpp=None):
        if target_bpp is not None:
            warnings.warn(f"{target_bpp} bpp is out of reach", UserWarning, stacklevel=2)
        _, height, width = image.shape
        words = image.numpy().tobytes() + bytes(image.numel() % 2)
        none = torch.zeros(0, dtype=torch.int64)
        coded = Coded(1, 1, none, none.to(torch.int16), [bytes(4) + words])
        return pack(
            Stream(
                bytes(8),
                round(quality * 100),
                width,
                height,
                False,
                [coded],
                check_metadata(metadata),
            )
        )


def fake_decompress(s, *, model=None, device="cpu", rendering="faithful", max_pixels=2**28):
    pixels = torch.frombuffer(bytearray(s.tiles[0].segments[0][4:]), dtype=torch.uint8)
    return pixels[: 3 * s.width * s.height].reshape(3, s.height, s.width)


@pytest.fixture
def cli(monkeypatch, tmp_path, capsys):
    """Run a command in an empty folder on the stand-in codec; return its code, stdout, stderr."""
    monkeypatch.setattr(mcm_fast, "load", lambda *_, **__: FakeCodec(), raising=False)
    monkeypatch.setattr(mcm_fast, "decompress", fake_decompress, raising=False)
    monkeypatch.setattr(mcm_fast, "info", container.info, raising=False)
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        code = main(list(arguments))
        return code, *capsys.readouterr()

    return run


@pytest.fixture(scope="module")
def small():
    if not (presets.WEIGHTS / "small.safetensors").exists():
        pytest.skip("the small model's weights are not installed")


def picture(path, size=(7, 5), mode="RGB", colour="teal", **options):
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    Image.new(mode, size, colour).save(path, **options)
    return images.read_image(path)[0] if mode == "RGB" else None


def refused(result, *words):
    """A line on stderr that holds `words`, nothing on stdout, exit code 2."""
    code, out, err = result
    assert code == 2 and out == "" and err.count("\n") == 1 and err.startswith("mcm-fast: "), err
    for word in words:
        assert word in err
    return True


def test_there_and_back(cli):
    image = picture("a.png")
    assert cli("compress", "a.png", "a.mcm", "--quality", "12.34") == (0, "", "")
    assert cli("decompress", "a.mcm", "b.png") == (0, "", "")
    assert torch.equal(images.read_image("b.png")[0], image)
    assert unpack(open("a.mcm", "rb").read()).quality == 1234
    assert sorted(os.listdir()) == ["a.mcm", "a.png", "b.png"]


def test_profile_and_exif_travel(cli):
    exif = Image.Exif()
    exif[0x013B] = "Ada"
    exif[0x0112] = 6
    profile = bytes(16) + b"RGB " + bytes(108)
    picture("a.png", exif=exif, icc_profile=profile)
    assert cli("compress", "a.png", "a.mcm")[0] == cli("decompress", "a.mcm", "b.png")[0] == 0
    with Image.open("b.png") as back:
        assert back.size == (5, 7) and back.info["icc_profile"] == profile
        assert dict(back.getexif()) == {0x013B: "Ada"}


def test_info(cli):
    picture("a.png")
    cli("compress", "a.png", "a.mcm")
    code, out, err = cli("info", "a.mcm", "--json")
    facts = json.loads(out)
    assert (code, err) == (0, "") and facts["width"] == 7 and facts["quality"] == 50
    code, out, err = cli("info", "a.mcm")
    assert (code, err) == (0, "") and "width         7\n" in out and "chunks        none\n" in out


def test_several_files_and_folders(cli):
    pictures = {name: picture(f"in/{name}.png", colour=name) for name in ("red", "blue")}
    pictures["lime"] = picture("lime.bmp", colour="lime")
    open("in/notes.txt", "w").close()
    assert cli("compress", "in", "lime.bmp", "out") == (0, "", "")
    assert sorted(os.listdir("out")) == ["blue.mcm", "lime.mcm", "red.mcm"]
    assert cli("decompress", "out", "back") == (0, "", "")
    for name, image in pictures.items():
        assert torch.equal(images.read_image(f"back/{name}.png")[0], image)


def test_a_file_into_a_folder(cli):
    picture("a.png")
    assert cli("compress", "a.png", "new/")[0] == 0 and os.listdir("new") == ["a.mcm"]


def test_one_bad_file_does_not_stop_the_others(cli):
    for name in "a", "c":
        picture(f"in/{name}.png")
    open("in/b.png", "wb").write(b"not a picture")
    refused(cli("compress", "in", "out"), "in/b.png: not a readable image")
    assert sorted(os.listdir("out")) == ["a.mcm", "c.mcm"]
    open("out/b.mcm", "wb").write(b"not a stream")
    refused(cli("decompress", "out", "back"), "out/b.mcm: not an MCM stream")
    assert sorted(os.listdir("back")) == ["a.png", "c.png"]


def test_names_that_collide_are_refused_before_any_work(cli):
    picture("in/a.png"), picture("in/a.bmp")
    refused(cli("compress", "in", "out"), "in/a.bmp", "in/a.png", "out/a.mcm")
    assert not os.path.exists("out")


def test_existing_files_need_force(cli):
    picture("a.png")
    open("a.mcm", "wb").write(b"precious")
    refused(cli("compress", "a.png", "a.mcm"), "a.mcm exists", "--force")
    assert open("a.mcm", "rb").read() == b"precious"
    assert cli("compress", "a.png", "a.mcm", "--force")[0] == 0
    refused(cli("decompress", "a.mcm", "a.png"), "a.png exists")
    assert cli("decompress", "--force", "a.mcm", "a.png")[0] == 0


def test_the_limit_of_pixels(cli):
    picture("a.png", (33, 17))
    refused(cli("compress", "a.png", "a.mcm", "--max-pixels", "1535"), "a.png: an image of 33x17")
    assert cli("compress", "a.png", "a.mcm", "--max-pixels", "1536")[0] == 0
    refused(cli("decompress", "a.mcm", "b.png", "--max-pixels", "1535"), "a.mcm: an image of 33x17")
    assert cli("decompress", "a.mcm", "b.png", "--max-pixels", "1536")[0] == 0


def test_transparency_and_background(cli):
    picture("a.png", mode="RGBA", colour=(255, 0, 0, 0))
    refused(cli("compress", "a.png", "a.mcm"), "a.png: the image is transparent")
    refused(cli("compress", "a.png", "a.mcm", "--background", "mauvish"), "mauvish")
    assert cli("compress", "a.png", "a.mcm", "--background", "blue")[0] == 0
    assert fake_decompress(unpack(open("a.mcm", "rb").read()))[:, 0, 0].tolist() == [0, 0, 255]


def test_an_unreachable_rate_is_a_note(cli):
    picture("a.png")
    code, out, err = cli("compress", "a.png", "a.mcm", "--target-bpp", "0.001")
    assert (code, out) == (0, "") and err == "mcm-fast: note: a.png: 0.001 bpp is out of reach\n"


BAD_ARGUMENTS = {
    "no-file": (["info", "x.mcm"], "x.mcm: No such file"),
    "missing-image": (["compress", "x.png", "x.mcm"], "x.png: No such file"),
    "not-a-stream": (["decompress", "a.png", "b.png"], "a.png: not an MCM stream"),
    "no-out": (["compress", "a.png"], "Missing argument"),
    "no-out-folder": (["compress", "a.png", "no/a.mcm"], "No such file"),
    "empty-folder": (["compress", "empty", "out"], "empty: nothing"),
    "unknown-option": (["compress", "a.png", "b", "--fast"], "--fast"),
    "no-command": ([], "Missing command"),
    "unknown-command": (["squeeze"], "squeeze"),
    "quality-is-no-number": (["compress", "a.png", "b", "--quality", "high"], "number"),
    "quality-101": (["compress", "a.png", "b", "--quality", "101"], "101"),
    "quality-nan": (["compress", "a.png", "b", "--quality", "nan"], "nan"),
    "bpp-0": (["compress", "a.png", "b", "--target-bpp", "0"], "0.0"),
    "unknown-device": (
        ["compress", "a.png", "b", "--device", "gpu"],
        "device 'gpu' cannot be used",
    ),
    "missing-device": (
        ["decompress", "a.png", "b.png", "--device", "cuda:99"],
        "device 'cuda:99' cannot",
    ),
    "both": (["compress", "a.png", "b", "--quality", "5", "--target-bpp", "1"], "exclude"),
    "pipe-among-many": (["compress", "a.png", "-", "out"], "- is for one"),
    "several-into-a-file": (["compress", "a.png", "a.png", "a.png"], "a.png"),
    "unknown-format": (["decompress", "a.mcm", "a.xyz"], ".xyz"),
    "format-of-streams": (["decompress", "a.mcm", "b.mcm"], ".mcm"),
}


@pytest.mark.parametrize("arguments, word", BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS)
def test_bad_arguments_are_one_line(cli, arguments, word):
    picture("a.png")
    os.mkdir("empty")
    before = sorted(os.listdir())
    refused(cli(*arguments), word)
    assert [name for name in sorted(os.listdir()) if name != "out"] == before


def test_ctrl_c_leaves_nothing_half_written(cli, monkeypatch):
    picture("a.png")

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    assert cli("compress", "a.png", "a.mcm") == (130, "", "mcm-fast: interrupted\n")
    assert os.listdir() == ["a.png"]


def test_ctrl_c_of_a_real_process(small, tmp_path):
    """Whatever it was doing: streams are whole, or not there."""
    for i in range(60):
        picture(str(tmp_path / f"in/{i}.png"), (300, 200))
    out = tmp_path / "out"
    script = "import sys; from mcm_fast.cli.main import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", script, "compress", str(tmp_path / "in"), str(out)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        while not (out.exists() and os.listdir(out)) and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130 and "interrupted" in process.stderr.read()
    finally:
        process.kill()
    names = os.listdir(out)
    assert 0 < len(names) < 60 and {os.path.splitext(name)[1] for name in names} == {".mcm"}
    for name in names:
        assert unpack((out / name).read_bytes()).width == 300


def test_pipes(cli, monkeypatch):
    image = picture("a.png")

    def piped(*arguments, data):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO()))
        assert main(list(arguments)) == 0
        return sys.stdout.buffer.getvalue()

    stream = piped("compress", "-", "-", data=open("a.png", "rb").read())
    png = piped("decompress", "-", "-", data=stream)
    assert torch.equal(images.read_image(io.BytesIO(png))[0], image)


TRAINING = ("eval", "train", "export")


def test_help_names_the_verbs_and_needs_no_torch():
    script = (
        "import sys; from mcm_fast.cli.main import main; code = main(['--help']); "
        "assert 'torch' not in sys.modules, 'torch was imported'; sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert all(verb in done.stdout for verb in ("compress", "decompress", "info", *TRAINING))
    for verb in TRAINING:
        done = subprocess.run([sys.executable, "-c", script.replace("--help", f"{verb}', '--help")])
        assert done.returncode == 0


def test_a_real_codec(cli, codec, monkeypatch):
    monkeypatch.setattr(mcm_fast, "load", lambda *_, **__: codec)
    monkeypatch.setattr(mcm_fast, "decompress", lambda stream, **_: codec.decompress(stream))
    image = picture("a.png", size=(33, 50))
    assert cli("compress", "a.png", "a.mcm", "--quality", "30") == (0, "", "")
    assert cli("decompress", "a.mcm", "b.png") == (0, "", "")
    expected = codec.decompress(codec.compress(image, 30))
    assert torch.equal(images.read_image("b.png")[0], expected)
    code, _, err = cli("compress", "a.png", "c.mcm", "--target-bpp", "1000")
    assert code == 0 and err.startswith("mcm-fast: note: a.png: 1000.0 bpp is out of reach")


def test_a_stream_of_an_unknown_model(codec, tmp_path, capsys):
    stream = tmp_path / "a.mcm"
    stream.write_bytes(codec.compress(torch.zeros(3, 16, 16, dtype=torch.uint8)))
    result = main(["decompress", str(stream), str(tmp_path / "a.png")]), *capsys.readouterr()
    refused(result, "needs model", codec.integers.id.hex())
    assert os.listdir(tmp_path) == ["a.mcm"]


def test_eval_writes_its_tables(codec, tmp_path, capsys):
    pytest.importorskip("matplotlib"), pytest.importorskip("pytorch_msssim")
    for name, size in {"a": (40, 30), "b": (32, 48)}.items():
        picture(str(tmp_path / "images" / f"{name}.png"), size)
    model = tmp_path / "model.safetensors"
    model_file.save(codec.network, model)
    out = str(tmp_path / "out")
    arguments = "--qualities", "20,80", "--anchors", "JPEG", "--out", out
    assert main(["eval", str(tmp_path / "images"), "--model", str(model), *arguments]) == 0
    suffixes = {os.path.splitext(name)[1] for name in os.listdir(out)}
    assert {".json", ".csv", ".png"} <= suffixes and "JPEG" in capsys.readouterr().out
    refused((main(["eval", str(tmp_path)]), *capsys.readouterr()), str(tmp_path))


def test_training_refuses_in_a_line(tmp_path, capsys):
    def refuse(word, *arguments):
        return refused((main(list(map(str, arguments))), *capsys.readouterr()), word)

    few, gan = ("--steps", 1, "--out", tmp_path / "out"), ("--steps", 1, "--gan", 0.1)
    assert refuse("either steps or minutes", "train", tmp_path)
    assert refuse("config 'step3'", "train", tmp_path, "--config", "step3")
    assert refuse("fewer than a batch", "train", tmp_path, *few)
    assert refuse("--init-from", "train", tmp_path, *gan, "--export", "x")
    weights = tmp_path / "weights.safetensors"
    assert refuse("weights.safetensors: No such file", "export", weights, "x")
    weights.write_bytes(b"nothing")
    assert refuse("not a weights file", "export", weights, "x")


def test_the_shipped_model(small, tmp_path, capsys):
    ramp = torch.arange(64, dtype=torch.uint8).mul(4).expand(3, 48, 64)
    source, stream, target = (str(tmp_path / name) for name in ("a.png", "a.mcm", "b.png"))
    images.write_image(ramp, source)
    assert main(["compress", source, stream, "--model", "small", "--quality", "80"]) == 0
    assert main(["info", stream, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["width"] == 64
    assert main(["decompress", stream, target]) == 0
    error = images.read_image(target)[0].double() - ramp.double()
    assert error.square().mean() < 100
    damaged = bytearray(open(stream, "rb").read())
    damaged[20] ^= 1
    open(stream, "wb").write(damaged)
    refused((main(["decompress", stream, target, "--force"]), *capsys.readouterr()), "truncated")
