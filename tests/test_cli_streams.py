"""Pipes, terminals, and standard streams that are closed: never a note inside a stream."""

import io
import os
import pty
import shutil
import sys

import pytest
import torch
from cli_runs import picture, process, shell

from mcm_fast import images
from mcm_fast.cli.main import main
from mcm_fast.container import unpack


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
    webp = piped("decompress", "-", "-", "--format", "webp", data=stream)
    assert webp[8:12] == b"WEBP"


@pytest.fixture(scope="module")
def made(small, tmp_path_factory):
    """A picture that has a note, and its stream."""
    path = tmp_path_factory.mktemp("made")
    picture(str(path / "a.jpg"), size=(64, 48), comment="a comment")
    done = process(["compress", "a.jpg", "a.mcm"], path, capture_output=True, text=True)
    assert done.returncode == 0 and "note: a.jpg: left out: a comment" in done.stderr
    return path


@pytest.fixture
def folder(made, tmp_path):
    """The same in a folder of its own."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path


def clean(done, code=0):
    """The exit code, and no traceback."""
    assert done.returncode == code, done.stderr
    assert b"Traceback" not in done.stderr and b"Exception" not in done.stderr
    return True


def test_closed_standard_error_leaves_the_stream_alone(folder):
    assert clean(shell("mcm_fast compress a.jpg - 2>&- > b.mcm", folder))
    assert (folder / "b.mcm").read_bytes() == (folder / "a.mcm").read_bytes()
    assert clean(shell("mcm_fast compress a.jpg c.mcm 2>&-", folder))
    assert (folder / "c.mcm").read_bytes() == (folder / "a.mcm").read_bytes()


def test_everything_closed(folder):
    assert clean(shell("mcm_fast compress a.jpg b.mcm <&- >&- 2>&-", folder))
    assert (folder / "b.mcm").read_bytes() == (folder / "a.mcm").read_bytes()
    assert clean(shell("mcm_fast decompress b.mcm b.png <&- >&- 2>&-", folder))
    assert images.read_image(folder / "b.png")[0].shape == (3, 48, 64)


@pytest.mark.parametrize("command", ["compress a.jpg -", "decompress a.mcm -", "info a.mcm"])
def test_closed_standard_output(folder, command):
    done = shell(f"mcm_fast {command} >&-", folder)
    assert clean(done, 2) and b"standard output is closed" in done.stderr


@pytest.mark.parametrize("command", ["compress - b.mcm", "decompress - b.png", "info -"])
def test_closed_standard_input(folder, command):
    done = shell(f"mcm_fast {command} <&-", folder)
    assert clean(done, 2) and b"standard input is closed" in done.stderr


@pytest.mark.parametrize("command", ["compress a.jpg -", "decompress a.mcm -", "info a.mcm", "-h"])
def test_a_full_disk(folder, command):
    done = shell(f"mcm_fast {command} > /dev/full", folder)
    assert clean(done, 2) and b"No space left" in done.stderr


@pytest.mark.parametrize("command", ["compress a.jpg -", "info a.mcm", "--help"])
def test_a_reader_that_has_gone(folder, command):
    done = shell(f"set -o pipefail; mcm_fast {command} | true", folder)
    assert b"Traceback" not in done.stderr and b"Exception" not in done.stderr


def test_a_full_standard_error(folder):
    assert clean(shell("mcm_fast compress a.jpg b.mcm 2> /dev/full", folder))
    assert (folder / "b.mcm").read_bytes() == (folder / "a.mcm").read_bytes()


@pytest.mark.parametrize("command", [["compress", "a.jpg", "-"], ["decompress", "a.mcm", "-"]])
def test_a_terminal_gets_no_bytes(folder, command):
    ours, theirs = pty.openpty()
    try:
        done = process(command, folder, stdout=theirs, stderr=-1)
    finally:
        os.close(theirs)
        os.close(ours)
    assert clean(done, 2) and b"standard output is a terminal" in done.stderr


def test_the_stream_of_a_pipe(folder):
    done = shell("cat a.jpg | mcm_fast compress - - | mcm_fast decompress - b.png", folder)
    assert clean(done) and images.read_image(folder / "b.png")[0].shape == (3, 48, 64)
    assert unpack((folder / "a.mcm").read_bytes()).width == 64
