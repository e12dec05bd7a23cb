"""Instructions of the C++ kernels, by Callgrind: a number that no other program on the machine
changes. A picture of 24 x 16 latents, encoded and decoded once at the best level of SIMD.

Needs valgrind and g++; left out where one is missing.
"""

import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from sampled import QUALITY, drawn

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "fuzz"))
from seeds import model_bytes  # noqa: E402

BUILD = ROOT / "build" / "instructions"
WIDTH, HEIGHT = 384, 256
TITLE = "Instructions (Callgrind), one 384x256 image at 0.5 bpp"
# What is counted, with what it calls: the beginning of a function's name, and its unit.
PARTS = {
    "decode": ("mcm::decode(", "product"),
    "products, both ways": ("mcm::dense_", "product both ways"),
    "decode, range coder": ("mcm::Reader::get(", "symbol"),
    "encode": ("mcm::encode(", "product"),
    "encode, range coder": ("mcm::BackwardWriter::put(", "symbol"),
}


@pytest.fixture(scope="module")
def program() -> Path:
    for tool in ("valgrind", "g++"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    BUILD.mkdir(parents=True, exist_ok=True)
    sources = sorted((ROOT / "csrc").glob("*.cpp"))
    sources = [p for p in sources if p.name != "bindings.cpp"]
    sources += [Path(__file__).parent / "instructions.cpp", ROOT / "fuzz" / "model_file.cpp"]
    flags = ["-std=c++17", "-O3", "-pthread"]  # no -g: inlined code would be counted apart
    target = BUILD / "instructions"
    subprocess.run(["g++", *flags, *map(str, sources), "-o", str(target)], check=True)
    return target


def counts(program: Path, preset: str) -> dict[str, int]:
    """Instructions of every function and what it calls, by name."""
    model, y, z = drawn(preset, WIDTH, HEIGHT)
    (BUILD / "model.bin").write_bytes(model_bytes(model))
    head = struct.pack("<4q", model.slices, *y.shape[1:], QUALITY)
    (BUILD / "latents.bin").write_bytes(head + y.numpy().tobytes() + z.numpy().tobytes())
    out = BUILD / "callgrind.out"
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", str(program)]
    files = [str(BUILD / "model.bin"), str(BUILD / "latents.bin")]
    subprocess.run([*command, *files], check=True, capture_output=True)
    annotate = ["callgrind_annotate", "--inclusive=yes", "--threshold=100", str(out)]
    text = subprocess.run(annotate, check=True, capture_output=True, text=True).stdout
    lines = re.findall(r"^ *([\d,]+) \([^)]*\) +\S*?:(mcm::.*)$", text, re.MULTILINE)
    return {name: int(number.replace(",", "")) for number, name in lines}


@pytest.mark.parametrize("preset", ["small", "base"])
def test_instructions(preset, report, program):
    model, y, z = drawn(preset, WIDTH, HEIGHT)
    instructions = counts(program, preset)
    layers = (model.tensors[f"{name}.weight"] for name in model.layers if "slice" in name)
    products = sum(weight.numel() for weight in layers) * y[0].numel()
    units = {"product": products, "product both ways": 2 * products}
    units["symbol"] = y.numel() + z.numel()
    for part, (start, unit) in PARTS.items():
        total = sum(number for name, number in instructions.items() if name.startswith(start))
        assert total > 0, f"{start} was not called"
        row = {"model": preset, "part": part, "million": f"{total / 1e6:.1f}"}
        report(TITLE, {**row, "each": f"{total / units[unit]:.3f} a {unit}"})
