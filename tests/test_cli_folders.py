"""Folders: subfolders, collisions, repetition, the summary."""

import os
import random

import pytest
import torch
from cli_runs import picture, refused
from pictures import photograph
from PIL import Image

from mcm_fast import images
from mcm_fast.container import unpack


def summary(err: str) -> str:
    return err.splitlines()[-1].removeprefix("mcm-fast: ")


def test_several_files_and_folders(cli):
    pictures = {name: picture(f"in/{name}.png", colour=name) for name in ("red", "blue")}
    pictures["lime"] = picture("lime.bmp", colour="lime")
    assert cli("compress", "in", "lime.bmp", "out") == (0, "", "mcm-fast: 3 files: 3 done\n")
    assert sorted(os.listdir("out")) == ["blue.mcm", "lime.mcm", "red.mcm"]
    assert cli("decompress", "out", "back") == (0, "", "mcm-fast: 3 files: 3 done\n")
    for name, image in pictures.items():
        assert torch.equal(images.read_image(f"back/{name}.png")[0], image)


def test_a_file_into_a_folder(cli):
    picture("a.png")
    assert cli("compress", "a.png", "new/")[0] == 0 and os.listdir("new") == ["a.mcm"]


def test_what_is_not_meant_is_told(cli):
    picture("in/a.png"), picture("in/deeper/b.png"), picture("in/.hidden/c.png")
    for name in "notes.txt", "._a.png", ".DS_Store", "old.mcm":
        open(f"in/{name}", "w").close()
    code, _, err = cli("compress", "in", "out")
    assert code == 0 and err.splitlines() == [
        "mcm-fast: not meant by their names: in/notes.txt",
        "mcm-fast: not looked into (--recursive does): in/deeper",
        "mcm-fast: 1 file: 1 done",
    ]


def test_recursive_keeps_the_tree(cli):
    picture("in/a.png"), picture("in/deeper/a.png"), picture("in/deeper/still/b.png")
    assert cli("compress", "in", "out", "--recursive")[0] == 0
    assert cli("decompress", "-r", "out", "back", "--format", "webp")[0] == 0
    files = sorted(
        os.path.join(folder, name) for folder, _, names in os.walk("back") for name in names
    )
    assert files == ["back/a.webp", "back/deeper/a.webp", "back/deeper/still/b.webp"]


def test_a_folder_inside_its_source_is_not_looked_into(cli):
    picture("in/a.png")
    for _ in range(2):
        code, _, err = cli("compress", "in", "in/out", "-r", "--force")
        assert code == 0 and summary(err) == "1 file: 1 done"
    assert cli("decompress", "in/out", "in/out/back", "-r", "--force")[0] == 0
    assert cli("compress", "in", "in")[0] == 0 and os.path.exists("in/a.mcm")


def test_names_that_collide_are_refused_before_any_work(cli):
    picture("in/a.png"), picture("in/a.bmp")
    refused(cli("compress", "in", "out"), "in/a.bmp", "in/a.png", "out/a.mcm", "--keep-extension")
    assert not os.path.exists("out")
    assert cli("compress", "in", "out", "--keep-extension")[0] == 0
    assert sorted(os.listdir("out")) == ["a.bmp.mcm", "a.png.mcm"]
    assert cli("decompress", "out", "back")[0] == 0
    assert sorted(os.listdir("back")) == ["a.bmp.png", "a.png.png"]


def test_a_source_that_would_be_overwritten(cli):
    picture("a.png")
    cli("compress", "a.png", "a.mcm")
    os.makedirs("b")
    os.link("a.mcm", "b/a.png")
    refused(cli("decompress", "a.mcm", "b/", "--force"), "itself")


def test_one_bad_file_does_not_stop_the_others(cli):
    for name in "a", "c":
        picture(f"in/{name}.png")
    open("in/b.png", "wb").write(b"not a picture")
    code, _, err = cli("compress", "in", "out")
    assert code == 2 and err.splitlines() == [
        "mcm-fast: in/b.png: not a readable image: of no format that is read",
        "mcm-fast: 3 files: 2 done, 1 no pictures",
    ]
    assert sorted(os.listdir("out")) == ["a.mcm", "c.mcm"]
    open("out/b.mcm", "wb").write(b"not a stream")
    code, _, err = cli("decompress", "out", "back")
    assert code == 2 and "out/b.mcm: not an MCM stream" in err
    assert summary(err) == "3 files: 2 done, 1 failed"
    assert sorted(os.listdir("back")) == ["a.png", "c.png"]


def mixed_folder(size: int = 400) -> dict[str, int]:
    """A folder `in` of good, damaged, doubly named, read-only and foreign files."""
    random.seed(0)
    counts = {"good": 0, "damaged": 0, "foreign": 0, "unmeant": 0}
    for i in range(size):
        name = f"in/{i // 50}/{i:03}"
        kind = random.choice(["png", "jpg", "webp", "bmp", "twins", "damaged", "foreign", "text"])
        os.makedirs(os.path.dirname(name), exist_ok=True)
        if kind == "damaged":
            photograph(48, 64).save(f"{name}.jpg")
            data = open(f"{name}.jpg", "rb").read()
            open(f"{name}.jpg", "wb").write(data[:-90] + b"\xff\xd9")
            counts["damaged"] += 1
        elif kind in ("foreign", "text"):
            open(f"{name}.{'jpg' if kind == 'foreign' else 'txt'}", "wb").write(b"no picture")
            counts["foreign" if kind == "foreign" else "unmeant"] += 1
        else:
            for suffix in ("png", "bmp") if kind == "twins" else (kind,):
                Image.new("RGB", (9, 7), (i % 256, 80, 40)).save(f"{name}.{suffix}")
                os.chmod(f"{name}.{suffix}", random.choice([0o444, 0o600, 0o644]))
                counts["good"] += 1
    return counts


def snapshot() -> dict[str, tuple]:
    paths = [os.path.join(folder, name) for folder, _, names in os.walk(".") for name in names]
    return {path: (os.stat(path).st_mtime_ns, os.stat(path).st_ino) for path in paths}


def test_a_mixed_folder_and_its_repetition(cli):
    counts = mixed_folder()
    options = "--recursive", "--keep-extension", "--jobs", "1"
    code, out, err = cli("compress", "in", "out", *options)
    total = counts["good"] + counts["damaged"] + counts["foreign"]
    assert (code, out) == (2, "")
    assert summary(err) == (
        f"{total} files: {counts['good']} done, {counts['damaged']} failed, "
        f"{counts['foreign']} no pictures"
    )
    assert err.count("the image is damaged") == counts["damaged"]
    assert f"and {counts['unmeant'] - 5} more" in err
    before = snapshot()
    code, out, err = cli("compress", "in", "out", *options, "--skip-existing")
    assert (code, out) == (0, "") and snapshot() == before
    assert f"{counts['good']} skipped, for they exist" in summary(err)
    made = [path for path in before if path.endswith(".mcm")]
    assert len(made) == counts["good"]
    for path in made:
        source = "./in" + path.removeprefix("./out").removesuffix(".mcm")
        assert before[path][0] == before[source][0]
        assert unpack(open(path, "rb").read()).width == 9


def test_a_repetition_with_a_new_damaged_file_fails(cli):
    picture("in/a.png")
    open("in/b.png", "wb").write(b"\x89PNG")
    assert cli("compress", "in", "out", "--skip-existing")[0] == 2
    assert cli("compress", "in", "out", "--skip-existing")[0] == 0
    picture("in/c.png")
    assert cli("compress", "in", "out", "--skip-existing")[0] == 2


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_processes_give_the_same(small, jobs, tmp_path, monkeypatch, capsys):
    from mcm_fast.cli.main import main

    monkeypatch.chdir(tmp_path)
    for i in range(4):
        photograph(40 + i, 64).save(f"{i}.png")
    open("4.png", "wb").write(b"no picture")
    names = [f"{i}.png" for i in range(5)]
    code = main(["compress", *names, "out/", "--jobs", jobs])
    err = capsys.readouterr().err
    assert code == 2 and "4.png: not a readable image" in err
    assert summary(err) == "5 files: 4 done, 1 no pictures"
    import mcm_fast

    for i in range(4):
        expected = mcm_fast.compress(images.read_image(f"{i}.png")[0], 50)
        assert open(f"out/{i}.mcm", "rb").read() == expected
