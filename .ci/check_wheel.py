"""Run by `make wheel-check` inside an environment that holds only the wheel."""

import importlib.resources
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

import mcm_fast
import mcm_fast._C
import mcm_fast.kernels

EXTRAS = {"matplotlib", "scipy", "skimage", "pytorch_msssim", "pytest", "triton"}
# The same stream where there is no torch: every import of it fails.
WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None
import numpy, mcm_fast
array = mcm_fast.imread(sys.argv[1])
assert array.shape == (61, 90, 3) and array.dtype == numpy.uint8, array.shape
numpy.save(sys.argv[2], array)
"""


def main() -> None:
    for module in (mcm_fast, mcm_fast._C, mcm_fast.kernels):
        assert Path(module.__file__).is_relative_to(sys.prefix), module.__file__
    assert importlib.resources.files(mcm_fast).joinpath("py.typed").is_file()

    rows, columns = torch.meshgrid(torch.arange(61), torch.arange(90), indexing="ij")
    image = torch.stack([rows * 4, columns * 2, rows + columns]).to(torch.uint8)
    stream = mcm_fast.compress(image, quality=50)
    decoded = mcm_fast.decompress(stream, exact=True)
    assert decoded.shape == image.shape and decoded.dtype == torch.uint8
    error = (decoded.double() - image.double()).square().mean().item()
    assert error < 200, f"mean squared error {error:.1f}: wrong weights?"

    loaded = EXTRAS & set(sys.modules)
    assert not loaded, f"the road imports packages of an extra: {sorted(loaded)}"
    subprocess.run([Path(sys.executable).with_name("mcm-fast"), "--help"], check=True)
    check_without_torch(stream, decoded)
    print(f"wheel ok: {Path(mcm_fast.__file__).parent}, {len(stream)} bytes")


def check_without_torch(stream: bytes, decoded: torch.Tensor) -> None:
    """The same pixels, to the last bit."""
    import numpy

    with tempfile.TemporaryDirectory() as folder:
        paths = Path(folder, "a.mcm"), Path(folder, "a.npy")
        paths[0].write_bytes(stream)
        subprocess.run([sys.executable, "-I", "-c", WITHOUT_TORCH, *paths], check=True)
        array = numpy.load(paths[1])
    assert numpy.array_equal(array, decoded.permute(1, 2, 0).numpy())


main()
