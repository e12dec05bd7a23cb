"""Pictures that this codec is not for are told."""

import numpy as np
import pytest
import torch
from pictures import photograph
from PIL import Image, ImageDraw

import mcm_fast
from mcm_fast.cli import judgement
from mcm_fast.cli.main import main


def checkerboard() -> Image.Image:
    return Image.fromarray((np.indices((96, 128)).sum(0) % 2 * 255).astype(np.uint8))


def dithered() -> Image.Image:
    return photograph(192, 256).convert("1")


def text() -> Image.Image:
    image = Image.new("RGB", (320, 192), "white")
    draw = ImageDraw.Draw(image)
    for row in range(0, 190, 12):
        draw.text((3, row), "black text on white, as a page of a book has it", "black")
    return image


def flat() -> Image.Image:
    return Image.new("RGB", (128, 96), (0, 255, 0))


def noted(image, folder, quality, capsys, monkeypatch) -> str:
    monkeypatch.chdir(folder)
    image.save("a.png", optimize=True)
    assert main(["compress", "a.png", "a.mcm", "--quality", quality, "--force"]) == 0
    return capsys.readouterr().err


NOT_FOR = {"checkerboard": checkerboard, "dithered": dithered, "text": text, "flat": flat}


@pytest.mark.parametrize("name", NOT_FOR)
@pytest.mark.parametrize("quality", ["50", "100"])
def test_what_it_is_not_for(small, name, quality, tmp_path, capsys, monkeypatch):
    err = noted(NOT_FOR[name](), tmp_path, quality, capsys, monkeypatch)
    assert err.startswith("mcm-fast: note: a.png: ") and "a lossless format (PNG" in err


def test_a_photograph_is_no_surprise(small, kodak, tmp_path, capsys, monkeypatch):
    with Image.open(kodak[2]) as image:
        assert noted(image.convert("RGB"), tmp_path, "50", capsys, monkeypatch) == ""


def test_a_low_quality_is_no_surprise(small, tmp_path, capsys, monkeypatch):
    noise = np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8)
    assert noted(Image.fromarray(noise), tmp_path, "10", capsys, monkeypatch) == ""


def test_of_a_large_picture_pieces_are_judged(small, monkeypatch):
    codec, image = mcm_fast.load("small"), torch.zeros(3, 700, 600, dtype=torch.uint8)
    image[:] = torch.from_numpy(np.indices((700, 600)).sum(0) % 2 * 255)
    stream = codec.compress(image, 50)
    with pytest.warns(UserWarning, match=r"only \d.\d dB at quality 50"):
        judgement.tell_poor(codec, image, stream, 10**9)


@pytest.mark.parametrize("size", [(600, 500), (5000, 64), (256, 2000)])
def test_pieces_lie_inside(size):
    height, width = size
    pieces = judgement._pieces(torch.zeros(3, height, width))
    assert len(pieces) == 4
    assert {tuple(piece.shape) for piece in pieces} == {(3, min(256, height), min(256, width))}
