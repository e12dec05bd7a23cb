"""Arguments that make no sense are told in a line; help and version need nothing."""

import os
import subprocess
import sys

import pytest
from cli_runs import picture, process, refused

import mcm_fast

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
    "jobs": (["compress", "a.png", "b", "--jobs", "-1"], "--jobs -1"),
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


@pytest.mark.parametrize("option", ["--version", "-h", "--help"])
def test_version_and_help(cli, option):
    code, out, err = cli(option)
    assert (code, err) == (0, "")
    assert out == f"mcm-fast {mcm_fast.__version__}\n" if "v" in option else "compress" in out


def test_help_of_a_command(cli):
    code, out, err = cli("compress", "-h")
    assert (code, err) == (0, "") and "--accept-damaged" in out


def test_python_m(tmp_path):
    done = process(["--version"], tmp_path, capture_output=True, text=True)
    assert done.stdout == f"mcm-fast {mcm_fast.__version__}\n" and done.returncode == 0


def test_help_names_the_verbs_and_needs_no_torch():
    script = (
        "import sys; from mcm_fast.cli.main import main; code = main(['--help']); "
        "assert 'torch' not in sys.modules, 'torch was imported'; sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    verbs = "compress", "decompress", "info", "eval", "train", "export"
    assert all(verb in done.stdout for verb in verbs)
    for verb in verbs:
        done = subprocess.run([sys.executable, "-c", script.replace("--help", f"{verb}', '--help")])
        assert done.returncode == 0
