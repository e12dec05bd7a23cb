"""A user's script under mypy, with this package's types and torch's."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
from pathlib import Path

import numpy as np
import torch

import mcm_fast

image = torch.zeros(3, 8, 8)
stream: bytes = mcm_fast.compress(image, quality=50)
again: bytes = mcm_fast.compress(image, target_bpp=1, metadata={"exif": b""}, model=Path("x"))
streams: list[bytes] = mcm_fast.compress_many([image, image])
either: list[bytes | Exception] = mcm_fast.compress_many([image], on_error="return")
pixels: torch.Tensor = mcm_fast.decompress(stream, rendering="faithful", device="cpu")
images: list[torch.Tensor] = mcm_fast.decompress_many(streams)
codec: mcm_fast.Codec = mcm_fast.load("small").with_limits(max_pixels=10**6)
latents: mcm_fast.Latents = codec.analysis(image, quality=62.5)
quality: float = codec.decode(codec.encode(latents)).quality
metadata: dict[str, bytes] = mcm_fast.read_metadata(stream)
array: np.ndarray = mcm_fast.imread("photo.mcm", box=(0, 0, 8, 8), threads=1)
array = mcm_fast.PixelDecoder("small.decoder.safetensors", threads=1).decompress(stream)
try:
    codec.decompress(stream)
except mcm_fast.BitstreamError as error:
    reason: mcm_fast.Reason = error.reason
"""
WRONG = {
    "mcm_fast.compress(image, qualty=50)": "qualty",
    "x: list[bytes] = mcm_fast.compress(image)": "bytes",
    'mcm_fast.compress_many([image], on_error="skip")': "overload",
    "y: list[bytes] = mcm_fast.compress_many([image], on_error='return')": "Incompatible types",
}


def check(script: str, folder: Path) -> subprocess.CompletedProcess:
    path = folder / "script.py"
    path.write_text(script)
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(folder.parent / "mypy")]
    command += ["--follow-imports", "silent", str(path)]
    return subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[1])


def test_a_users_script(tmp_path):
    pytest.importorskip("mypy")
    done = check(SCRIPT, tmp_path)
    assert done.returncode == 0, done.stdout
    done = check(SCRIPT + "\n".join(WRONG), tmp_path)
    errors = [line for line in done.stdout.splitlines() if ": error: " in line]  # some have notes
    for line, word in zip(errors, WRONG.values(), strict=True):
        assert word in line
    assert f"Found {len(WRONG)} errors" in done.stdout
