"""Reading streams where there is no torch: every import of it fails."""

import subprocess
import sys

import numpy as np
import pytest
from decoders import KINDS, decoder_of, picture, write_model
from PIL import Image

from mcm_fast import Codec, PixelDecoder

BLOCKED = """
import os, sys
sys.modules["torch"] = None
os.environ["MCM_FAST_MODELS"] = {folder!r}
{script}
loaded = [name for name in sys.modules if name.partition(".")[0] == "torch"]
assert loaded == ["torch"] and sys.modules["torch"] is None, loaded
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model, and streams of every kind with what they decode to, as arrays."""
    folder = tmp_path_factory.mktemp("streams")
    model = write_model(folder)
    codec, decoder = Codec.from_file(model), PixelDecoder(decoder_of(model))
    for kind in KINDS:
        image, tiles = picture(kind)
        stream = codec.compress(image, 50, tiles=tiles, metadata={"exif": b"MM\0*\0\0\0\x08\0\0"})
        (folder / f"{kind}.mcm").write_bytes(stream)
        np.save(folder / f"{kind}.npy", decoder.decompress(stream))
    return folder


def run(folder, script: str) -> str:
    code = BLOCKED.format(folder=str(folder), script=script)
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_reading(folder):
    """Whole, a box, what the header says, metadata, and an error with its reason."""
    run(
        folder,
        """
import pathlib
import numpy as np
import mcm_fast
for path in sorted(pathlib.Path().glob("*.mcm")):
    expected = np.load(path.with_suffix(".npy"))
    assert np.array_equal(mcm_fast.imread(path), expected), path
    height, width = expected.shape[:2]
    part = mcm_fast.imread(path, box=(width // 3, height // 2, width, height))
    assert np.array_equal(part, expected[height // 2 :, width // 3 :]), path
    stream = path.read_bytes()
    facts = mcm_fast.info(stream, verify=True)
    assert (facts["model"], facts["height"], facts["damaged"]) == ("tiny", height, []), facts
    assert mcm_fast.read_metadata(stream)["exif"].startswith(b"MM")
try:
    mcm_fast.imread(stream[:-1])
except mcm_fast.BitstreamError as error:
    assert error.reason is mcm_fast.Reason.TRUNCATED
""",
    )


def test_the_command_line(folder):
    out = run(
        folder,
        """
from mcm_fast.cli.main import main
assert main(["info", "rgba.mcm", "--json"]) == 0
assert main(["decompress", "rgba.mcm", "rgba.png"]) == 0
assert main(["decompress", "gray.mcm", "gray.png", "--box", "1,2,30,40"]) == 0
assert main(["decompress", ".", "all/", "--jobs", "2"]) == 0
assert main(["--help"]) == 0
""",
    )
    assert '"model": "tiny"' in out
    assert np.array_equal(np.asarray(Image.open(folder / "rgba.png")), np.load(folder / "rgba.npy"))
    part = np.asarray(Image.open(folder / "gray.png"))
    assert np.array_equal(part, np.load(folder / "gray.npy")[2:40, 1:30, 0])
    for kind in KINDS:
        expected = np.load(folder / f"{kind}.npy")
        found = np.asarray(Image.open(folder / "all" / f"{kind}.png")).reshape(expected.shape)
        assert np.array_equal(found, expected), kind


def test_import_loads_nothing(folder):
    """Neither torch, nor numpy, nor Pillow, nor the extension, until something needs them."""
    run(
        folder,
        """
import mcm_fast
dir(mcm_fast)
heavy = {"numpy", "PIL", "safetensors", "mcm_fast._C"} & set(sys.modules)
assert not heavy, heavy
""",
    )


def test_what_needs_torch_says_so(folder):
    run(
        folder,
        """
import mcm_fast
try:
    mcm_fast.load()
except ImportError as error:
    assert "torch" in str(error)
else:
    raise AssertionError
""",
    )
