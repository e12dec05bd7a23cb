"""build/libmcm.so (`make lib`) through ctypes: arrays, and the errors that mcm_fast raises."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Callable
from ctypes import POINTER, byref, c_char_p, c_int, c_size_t, c_uint8, c_uint32, c_uint64, c_void_p
from pathlib import Path

import numpy as np
import pytest
from decoders import KINDS, decoder_of, picture, write_model
from filelock import FileLock
from safetensors.numpy import load_file

from mcm_fast import BitstreamError, Codec, PixelDecoder, Reason, testing
from mcm_fast.exact.pixels.decoder_file import load_decoder, save_decoder

ROOT = Path(__file__).parents[1]
BUILT = ROOT / "build"
WHY_SIZE = 256
REASONS = dict(enumerate(Reason, 1))
BAD_ARGUMENT, NO_FILE, BAD_MODEL = 16, 17, 18


class Header(ctypes.Structure):
    _fields_ = [
        *((name, c_uint32) for name in ("width", "height", "channels", "quality")),
        ("model", c_uint8 * 8),
        *((name, c_uint64) for name in ("tiles", "tile_width", "tile_height")),
        *((name, c_int) for name in ("gray", "alpha", "transposed")),
    ]


class Options(ctypes.Structure):
    _fields_ = [
        ("rendering", c_char_p),
        *((name, c_uint32) for name in ("left", "top", "right", "bottom", "scale", "threads")),
        ("max_pixels", c_uint64),
    ]


SIGNATURES = {
    "mcm_message": (c_char_p, [c_int]),
    "mcm_read_header": (c_int, [c_char_p, c_size_t, POINTER(Header), c_char_p]),
    "mcm_open": (c_int, [c_char_p, POINTER(c_void_p), c_char_p]),
    "mcm_close": (None, [c_void_p]),
    "mcm_model": (POINTER(c_uint8), [c_void_p]),
    "mcm_rendering": (c_char_p, [c_void_p, c_size_t]),
    "mcm_defaults": (Options, []),
    "mcm_size": (
        c_int,
        [POINTER(Header), POINTER(Options), POINTER(c_uint32), POINTER(c_uint32), c_char_p],
    ),
    "mcm_decode": (
        c_int,
        [c_void_p, c_char_p, c_size_t, POINTER(Options), c_void_p, c_size_t, c_size_t, c_char_p],
    ),
}


class Refused(ValueError):
    """A status that is not a stream's."""

    def __init__(self, status: int, why: str):
        super().__init__(why)
        self.status = status


def missing() -> str | None:
    """What keeps the library from being built here."""
    for tool in ("make", "g++", "gcc", "ld", "objcopy"):
        if shutil.which(tool) is None:
            return f"the C library needs {tool}"
    command = ["g++", "-x", "c++", "-fsyntax-only", "-include", "zlib.h", os.devnull]
    return (
        "the C library needs zlib.h"
        if subprocess.run(command, capture_output=True).returncode
        else None
    )


def build(out: Path, *settings: str) -> None:
    """`make lib`, into a folder, by one process at a time: the tests may run in several."""
    command = ["make", "-s", "-C", str(ROOT / "csrc"), f"OUT={out}", *settings]
    out.mkdir(parents=True, exist_ok=True)
    with FileLock(out / "lock"):
        subprocess.run(command, check=True, env={**os.environ, "MCM_FAST_WERROR": "1"})


def load(path: Path) -> ctypes.CDLL:
    library = ctypes.CDLL(str(path))
    for name, (result, arguments) in SIGNATURES.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


class CDecoder:
    """`mcm_fast.PixelDecoder`'s face over the library."""

    def __init__(self, library: ctypes.CDLL, path: Path):
        self._library, self._handle = library, c_void_p()
        self._call("mcm_open", os.fsencode(path), byref(self._handle))

    def close(self) -> None:
        self._library.mcm_close(self._handle)

    @property
    def id(self) -> str:
        return bytes(self._library.mcm_model(self._handle)[:8]).hex()

    @property
    def renderings(self) -> list[str]:
        names = []
        while (name := self._library.mcm_rendering(self._handle, len(names))) is not None:
            names.append(name.decode())
        return names

    def header(self, stream: bytes) -> Header:
        header = Header()
        self._call("mcm_read_header", stream, len(stream), byref(header))
        return header

    def options(self, rendering="faithful", box=None, scale=1, threads=1, max_pixels=2**28):
        sides = box or (0, 0, 0, 0)
        return Options(rendering.encode(), *sides, scale, threads, max_pixels)

    def decompress(self, stream: bytes, rendering="faithful", **options) -> np.ndarray:
        """uint8 (H, W, C). Raises BitstreamError with a reason, or Refused."""
        how, header = self.options(rendering, **options), self.header(stream)
        width, height = c_uint32(), c_uint32()
        self._call("mcm_size", byref(header), byref(how), byref(width), byref(height))
        pixels = np.full((height.value, width.value, header.channels), 99, np.uint8)
        self.decode(stream, how, pixels)
        return pixels

    def decode(self, stream: bytes, how: Options | None, pixels: np.ndarray) -> None:
        into = pixels.ctypes.data, pixels.strides[0], _capacity(pixels)
        self._call("mcm_decode", self._handle, stream, len(stream), how and byref(how), *into)

    def _call(self, name: str, *arguments: object) -> None:
        why = ctypes.create_string_buffer(b"unset", WHY_SIZE)
        status = getattr(self._library, name)(*arguments, why)
        if status in REASONS:
            raise BitstreamError(why.value.decode(), REASONS[status])
        if status:
            raise Refused(status, why.value.decode())
        assert why.value == b""


def _capacity(pixels: np.ndarray) -> int:
    height, width, channels = pixels.shape
    return pixels.strides[0] * (height - 1) + width * channels


@pytest.fixture(scope="session")
def libmcm():
    """The library, built from this checkout."""
    reason = missing()
    if reason:
        pytest.skip(reason)
    build(BUILT)
    return load(BUILT / "libmcm.so")


@pytest.fixture(scope="session")
def c_model(tmp_path_factory):
    """A tiny model's file; its decoder's is beside it."""
    return write_model(tmp_path_factory.mktemp("c-model"))


@pytest.fixture(scope="session")
def c_codec(c_model):
    return Codec.from_file(c_model)


@pytest.fixture(scope="session")
def c_streams(c_codec):
    """Its streams of pictures of every kind."""

    def made(kind: str) -> bytes:
        image, tiles = picture(kind)
        return c_codec.compress(image, 61, tiles=tiles)

    return {kind: made(kind) for kind in KINDS}


@pytest.fixture(scope="session")
def c_golden(tmp_path_factory):
    """The decoder's file of the golden model, with a rendering of a tiny network that has its
    channels."""
    path = tmp_path_factory.mktemp("c-golden") / "golden.decoder.safetensors"
    rendering = load_decoder(ROOT / "tests/golden/pixels.safetensors").renderings["tiny"]
    save_decoder(path, load_file(testing.golden_model()), {"faithful": rendering})
    return path


@pytest.fixture(scope="session")
def native(libmcm, c_model):
    """The library's decoder of the tiny model."""
    decoder = CDecoder(libmcm, decoder_of(c_model))
    yield decoder
    decoder.close()


@pytest.fixture(scope="session")
def arrays(c_model):
    """Ours."""
    return PixelDecoder(decoder_of(c_model), threads=1)


def outcome(decode: Callable[..., np.ndarray], *arguments: object, **options: object) -> object:
    """The bytes of a picture, the reason why there is none, or "refused" for an argument."""
    try:
        return decode(*arguments, **options).tobytes()
    except BitstreamError as error:
        return error.reason
    except ValueError:
        return "refused"
