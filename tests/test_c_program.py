"""examples/decode.c and what the C library's files show; the program under sanitizers."""

import subprocess
import sys
from pathlib import Path

import c_library
import numpy as np
import pytest
import torch
from c_library import BAD_ARGUMENT, BAD_MODEL, BUILT, NO_FILE, REASONS, ROOT
from decoders import decoder_of
from hostile import damaged
from PIL import Image
from test_c_library_damage import GREEDY

from mcm_fast import PixelDecoder, testing

GOLDEN = testing.golden_streams()
WARNINGS = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic"]


@pytest.mark.parametrize("file", ["libmcm.so", "libmcm.a"])
def test_symbols(libmcm, file):
    """Nothing is seen but what mcm.h declares."""
    command = ["nm", "--defined-only", "--format=just-symbols"]
    command += ["-D"] if file.endswith(".so") else ["--extern-only"]
    names = subprocess.run([*command, BUILT / file], capture_output=True, text=True, check=True)
    symbols = {line for line in names.stdout.split() if not line.endswith(".o:")}
    assert symbols == set(c_library.SIGNATURES)


@pytest.fixture(scope="module")
def program(libmcm, tmp_path_factory):
    """examples/decode.c against the static libmcm."""
    out = tmp_path_factory.mktemp("program") / "decode"
    return compiled("examples/decode.c", out, BUILT)


def compiled(source: str, out: Path, folder: Path, *flags: str) -> Path:
    """A program with the library of a folder."""
    made = out.with_suffix(".o")
    subprocess.run(["gcc", *WARNINGS, *flags, "-c", ROOT / source, "-o", made], check=True)
    libraries = [folder / "libmcm.a", "-lz", "-pthread"]
    subprocess.run(["g++", *flags, made, *libraries, "-o", out], check=True)
    return out


def decoded(program: Path, model: Path, stream: bytes, folder: Path, *options: str) -> object:
    """The picture that the program writes, uint8 (H, W, C), or its exit status."""
    (folder / "in.mcm").write_bytes(stream)
    command = [program, *options, model, folder / "in.mcm", folder / "out.pnm"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode == 0) == (done.stderr == ""), done.stderr
    return done.returncode or read_pnm((folder / "out.pnm").read_bytes())


def read_pnm(data: bytes) -> np.ndarray:
    if data.startswith(b"P7"):
        head, _, pixels = data.partition(b"ENDHDR\n")
        fields = dict(line.split() for line in head.splitlines()[1:])
        width, height, depth = (int(fields[key]) for key in (b"WIDTH", b"HEIGHT", b"DEPTH"))
    else:
        kind, size, _, pixels = data.split(b"\n", 3)
        width, height = map(int, size.split())
        depth = 1 if kind == b"P5" else 3
    return np.frombuffer(pixels, np.uint8).reshape(height, width, depth)


def test_program(program, c_model, c_golden, arrays, c_streams, tmp_path):
    path = decoder_of(c_model)
    for stream in c_streams.values():
        assert np.array_equal(decoded(program, path, stream, tmp_path), arrays.decompress(stream))
    own = PixelDecoder(c_golden, threads=1)
    for name, each in GOLDEN.items():
        found = decoded(program, c_golden, each.data, tmp_path)
        assert np.array_equal(found, own.decompress(each.data)), name
    box, options = (3, 4, 40, 41), ["--box", "3", "4", "40", "41", "--threads", "2"]
    found = decoded(program, path, c_streams["tiles"], tmp_path, *options)
    assert np.array_equal(found, arrays.decompress(c_streams["tiles"], box=box))
    found = decoded(program, path, c_streams["tiles"], tmp_path, "--scale", "8")
    assert np.array_equal(found, arrays.decompress(c_streams["tiles"], scale=8))
    assert Image.open(tmp_path / "out.pnm").size == (25, 19)


def test_program_fails(program, c_model, c_streams, tmp_path):
    path, stream = decoder_of(c_model), c_streams["rgb"]
    statuses = {
        1: b"GIF89a", 2: stream[:4] + b"\2" + stream[5:], 3: stream[:-1], 4: stream + b"\0",
        5: GOLDEN["photo"].data,
    }  # fmt: skip
    for status, data in statuses.items():
        assert decoded(program, path, data, tmp_path) == status
    assert decoded(program, path, stream, tmp_path, "--box", "0", "0", "99", "9") == BAD_ARGUMENT
    assert decoded(program, path, stream, tmp_path, "--size", "3") == BAD_ARGUMENT
    assert decoded(program, tmp_path / "none", stream, tmp_path) == NO_FILE
    assert decoded(program, Path(sys.executable), stream, tmp_path) == BAD_MODEL


def sanitized(source: str, out: Path, kinds: str) -> Path:
    """A program with a library, both built with these sanitizers."""
    flags = [f"-fsanitize={kinds}", "-fno-sanitize-recover=all", "-g"]
    folder = BUILT / f"c-{kinds.replace(',', '-')}"
    share = "CPPFLAGS=-DMCM_WORTH_SHARING=0"  # threads share however little there is
    c_library.build(folder, f"SANITIZE={' '.join(flags)}", "OPTIMIZE=-O1", share)
    return compiled(source, out / "program", folder, *flags)


@pytest.mark.slow
def test_sanitized(libmcm, c_model, c_golden, c_streams, c_codec, tmp_path):
    """The program under AddressSanitizer (leaks too) and UndefinedBehaviorSanitizer."""
    program = sanitized("examples/decode.c", tmp_path, "address,undefined")
    path = decoder_of(c_model)
    for name, each in GOLDEN.items():
        assert not isinstance(decoded(program, c_golden, each.data, tmp_path), int), name
    good = c_codec.compress(torch.zeros(3, 70, 90, dtype=torch.uint8), 90)
    latents = c_codec.decode(good)
    crafted = damaged(good, latents.y.numel() + latents.z.numel())
    for kind, stream in c_streams.items():
        for options in ((), ("--scale", "8"), ("--box", "0", "0", "1", "1", "--threads", "3")):
            assert not isinstance(decoded(program, path, stream, tmp_path, *options), int), kind
        cuts = {f"{kind} {n}": stream[: n * len(stream) // 7] for n in range(7)}
        for name, data in {**cuts, **crafted, **GREEDY}.items():
            assert decoded(program, path, data, tmp_path) in REASONS, name
        crafted = {}


@pytest.mark.slow
def test_threads_sanitized(libmcm, c_model, c_streams, tmp_path):
    """Four threads on one decoder, two threads a call, under ThreadSanitizer."""
    program = sanitized("tests/c_threads.c", tmp_path, "thread")
    paths = [tmp_path / f"{kind}.mcm" for kind in c_streams]
    for path, stream in zip(paths, c_streams.values(), strict=True):
        path.write_bytes(stream)
    command = [program, decoder_of(c_model), *paths]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
