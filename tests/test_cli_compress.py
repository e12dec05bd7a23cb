"""One file there and back: pixels, metadata, options, notes."""

import os
import stat

import pytest
import torch
from cli_runs import fake_decompress, picture, refused
from pictures import LINEAR_P3, photograph
from PIL import Image

import mcm_fast
from mcm_fast import images
from mcm_fast.container import unpack


def test_there_and_back(cli):
    image = picture("a.png")
    assert cli("compress", "a.png", "a.mcm", "--quality", "12.34") == (0, "", "")
    assert cli("decompress", "a.mcm", "b.png") == (0, "", "")
    assert torch.equal(images.read_image("b.png")[0], image)
    assert unpack(open("a.mcm", "rb").read()).quality == 1234
    assert sorted(os.listdir()) == ["a.mcm", "a.png", "b.png"]


def test_metadata_travel(cli):
    exif = Image.Exif()
    exif[0x013B] = "Ada"
    exif[0x0112] = 6
    picture("a.jpg", exif=exif, icc_profile=LINEAR_P3, xmp=b"<x:xmpmeta/>")
    assert cli("compress", "a.jpg", "a.mcm")[0] == cli("decompress", "a.mcm", "b.png")[0] == 0
    stream = open("a.mcm", "rb").read()
    assert set(mcm_fast.read_metadata(stream)) == {"icc_profile", "exif", "xmp"}
    with Image.open("b.png") as back:
        assert back.size == (5, 7) and back.info["icc_profile"] == LINEAR_P3
        assert dict(back.getexif()) == {0x013B: "Ada"} and "xmpmeta" in back.info["xmp"].decode()


def test_strip(cli):
    picture("a.jpg", icc_profile=LINEAR_P3, xmp=b"<x:xmpmeta/>")
    assert cli("compress", "a.jpg", "a.mcm", "--strip") == (0, "", "")
    assert mcm_fast.read_metadata(open("a.mcm", "rb").read()) == {}
    cli("compress", "a.jpg", "b.mcm")
    assert cli("decompress", "b.mcm", "b.png", "--strip") == (0, "", "")
    with Image.open("b.png") as back:
        assert "xmp" not in back.info and "icc_profile" in back.info


def test_transparency_and_background(cli):
    picture("a.png", mode="RGBA", colour=(255, 0, 0, 0))
    refused(cli("compress", "a.png", "a.mcm", "--background", "mauvish"), "mauvish")
    assert cli("compress", "a.png", "a.mcm", "--background", "blue")[0] == 0
    assert fake_decompress(open("a.mcm", "rb").read())[:, 0, 0].tolist() == [0, 0, 255]


def test_transparency_and_gray_travel(cli, codec, monkeypatch):
    monkeypatch.setattr(mcm_fast, "load", lambda *_, **__: codec)
    monkeypatch.setattr(mcm_fast, "decompress", lambda stream, **_: codec.decompress(stream))
    image = photograph(40, 64).convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    for mode, name in {"RGBA": "a", "LA": "b", "L": "c"}.items():
        image.convert(mode).save(f"{name}.png")
        assert cli("compress", f"{name}.png", f"{name}.mcm")[0] == 0
        assert cli("decompress", f"{name}.mcm", f"{name}.back.png")[0] == 0
        with Image.open(f"{name}.back.png") as back:
            assert back.mode == mode
            if mode != "L":
                assert back.getchannel("A").tobytes() == image.getchannel("A").tobytes()
    refused(cli("decompress", "a.mcm", "a.jpg"), "a.mcm: JPEG holds no transparency")


def test_a_damaged_file_is_refused_or_accepted(cli):
    photograph().save("a.jpg")
    data = open("a.jpg", "rb").read()
    open("a.jpg", "wb").write(data[: len(data) // 2 + 300] + b"\xff\xd9")
    refused(cli("compress", "a.jpg", "a.mcm"), "a.jpg: the image is damaged", "--accept-damaged")
    assert not os.path.exists("a.mcm")
    code, _, err = cli("compress", "a.jpg", "a.mcm", "--accept-damaged")
    assert code == 0 and "note: a.jpg: the image is damaged, the rest of it is taken" in err


def test_notes_name_their_file(cli):
    picture("a.jpg", comment="a comment")
    code, out, err = cli("compress", "a.jpg", "a.mcm")
    assert (code, out, err) == (0, "", "mcm-fast: note: a.jpg: left out: a comment\n")


def test_an_unreachable_rate_is_a_note(cli):
    picture("a.png")
    code, out, err = cli("compress", "a.png", "a.mcm", "--target-bpp", "0.001")
    assert (code, out) == (0, "") and err == "mcm-fast: note: a.png: 0.001 bpp is out of reach\n"


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


@pytest.mark.parametrize("mode", [0o600, 0o444])
def test_permissions_and_time_are_kept(cli, mode):
    picture("a.png")
    os.chmod("a.png", mode)
    os.utime("a.png", ns=(10**18, 10**18))
    assert cli("compress", "a.png", "a.mcm")[0] == cli("decompress", "a.mcm", "b.png")[0] == 0
    for path in "a.mcm", "b.png":
        status = os.stat(path)
        assert stat.S_IMODE(status.st_mode) == mode and status.st_mtime_ns == 10**18


def test_output_that_is_the_input_is_refused(cli):
    picture("a.png")
    before = open("a.png", "rb").read()
    os.symlink("a.png", "soft")
    os.link("a.png", "hard")
    for target in "a.png", "./a.png", "soft", "hard":
        refused(cli("compress", "a.png", target, "--force"), "itself", "overwritten")
    assert open("a.png", "rb").read() == before


def test_the_format_of_the_output(cli):
    picture("a.png")
    cli("compress", "a.png", "a.mcm")
    code, _, err = cli("decompress", "a.mcm", "b.jpg")
    assert code == 0 and "note: a.mcm: JPEG is lossy" in err
    assert cli("decompress", "a.mcm", "c", "--format", "webp") == (0, "", "")
    with Image.open("c") as image:
        assert image.format == "WEBP"
    refused(cli("decompress", "a.mcm", "d.gif"), "a.mcm: '.gif': GIF cannot hold the picture")
    refused(cli("decompress", "a.mcm", "d.pgm"), "a.mcm: a .pgm file holds gray")
    refused(cli("decompress", "a.mcm", "d", "--format", "gif"), "'gif': GIF cannot hold")
    refused(cli("decompress", "a.mcm", "d", "--format", "xyz"), "'xyz'")


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


def test_the_target_rate_is_the_picture_s(cli, codec, monkeypatch):
    """41 KB of maker notes change nothing about the quality."""
    monkeypatch.setattr(mcm_fast, "load", lambda *_, **__: codec)
    exif = Image.Exif()
    exif[0x013B] = "Ada"
    exif.get_ifd(0x8769)[0x927C] = bytes(range(256)) * 160
    photograph().save("a.png")
    photograph().save("b.png", exif=exif)
    rate = str(8 * len(codec.compress(images.read_image("a.png")[0], 60)) / (160 * 96))
    for name in "ab":
        assert cli("compress", f"{name}.png", f"{name}.mcm", "--target-bpp", rate)[0] == 0
    bare, full = (unpack(open(name, "rb").read()) for name in ("a.mcm", "b.mcm"))
    assert full.quality == bare.quality and len(full.chunks["exif"]) > 40000


def test_a_stream_of_an_unknown_model(codec, tmp_path, monkeypatch, capsys):
    from mcm_fast.cli.main import main

    monkeypatch.chdir(tmp_path)
    open("a.mcm", "wb").write(codec.compress(torch.zeros(3, 16, 16, dtype=torch.uint8)))
    result = main(["decompress", "a.mcm", "a.png"]), *capsys.readouterr()
    refused(result, "needs model", codec.integers.id.hex())
    assert os.listdir() == ["a.mcm"]
