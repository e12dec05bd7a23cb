"""Running the command line in a test, over a stand-in codec or as a process."""

import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from PIL import Image

import mcm_fast
from mcm_fast import container, images, presets
from mcm_fast.cli.main import main
from mcm_fast.container import Stream, pack, unpack
from mcm_fast.exact.engine import Coded
from mcm_fast.inputs import check_metadata


class FakeCodec:
    """Stores the pixels: the command line cannot tell."""

    def compress(self, image, quality=50.0, metadata=None, target_bpp=None, **_):
        if target_bpp is not None:
            warnings.warn(f"{target_bpp} bpp is out of reach", UserWarning, stacklevel=2)
        _, height, width = image.shape
        words = image.numpy().tobytes() + bytes(image.numel() % 2)
        none = np.zeros(0, np.int64)
        coded = Coded(1, 1, none, none.astype(np.int16), [bytes(4) + words])
        chunks = check_metadata(metadata)
        return pack(Stream(bytes(8), round(quality * 100), width, height, False, [coded], chunks))

    def decompress(self, stream):
        return fake_decompress(stream)


def fake_decompress(stream, max_pixels=2**28, **_):
    s = stream if isinstance(stream, Stream) else unpack(stream, max_pixels)
    pixels = torch.frombuffer(bytearray(s.tiles[0].segments[0][4:]), dtype=torch.uint8)
    channels = len(pixels) // (s.width * s.height)  # an odd number of bytes has one more
    return pixels[: channels * s.width * s.height].reshape(channels, s.height, s.width)


@pytest.fixture
def cli(monkeypatch, tmp_path, capsys):
    """Run a command in an empty folder on the stand-in codec; return its code, stdout, stderr.

    Notes about streams larger than their sources are left out: the stand-in's all are.
    """
    monkeypatch.setattr(mcm_fast, "load", lambda *_, **__: FakeCodec(), raising=False)
    monkeypatch.setattr(mcm_fast, "decompress", fake_decompress, raising=False)
    monkeypatch.setattr(mcm_fast, "info", container.info, raising=False)
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        code = main(list(arguments))
        out, err = capsys.readouterr()
        lines = [line for line in err.splitlines(True) if "is better for it" not in line]
        return code, out, "".join(lines)

    return run


@pytest.fixture(scope="session")
def small():
    if not (presets.WEIGHTS / "small.safetensors").exists():
        pytest.skip("the small model's weights are not installed")


def picture(path, size=(7, 5), mode="RGB", colour="teal", **options):
    """Write a picture of one colour; return its pixels if it is RGB."""
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


def process(arguments, cwd, **options):
    """`python -m mcm_fast` as a process that was run."""
    command = [sys.executable, "-m", "mcm_fast", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, timeout=300, **options)


def shell(line, cwd):
    """A line of shell in which `mcm-fast` is the command line."""
    define = f'mcm_fast() {{ "{sys.executable}" -m mcm_fast "$@"; }}; '
    return subprocess.run(["bash", "-c", define + line], cwd=cwd, timeout=300, capture_output=True)
