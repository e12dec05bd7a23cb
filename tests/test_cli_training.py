"""The commands of training and evaluation, and the shipped model."""

import json
import os

import pytest
import torch
from cli_runs import picture, refused

from mcm_fast import images, model_file
from mcm_fast.cli.main import main


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
    refused((main(["decompress", stream, target, "--force"]), *capsys.readouterr()), "damaged")
