"""What the fuzzers start from: `python fuzz/seeds.py FOLDER`.

Writes FOLDER/model.bin, the first slices of the golden model as `model_file.h` reads them,
FOLDER/rendering.bin, a golden rendering that has every kind of layer, FOLDER/seeds/, the golden
streams and some with chunks, tiles and alpha, and FOLDER/decoder.safetensors, the golden model with
a golden rendering and small ones, for the C library. The decoder's fuzzer makes its own.
"""

import dataclasses
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from mcm_fast import container
from mcm_fast.exact.model import IntegerModel
from mcm_fast.exact.pixels.decoder_file import load_decoder, save_decoder
from mcm_fast.exact.pixels.layers import Activation, Layer, Operation
from mcm_fast.exact.pixels.rendering import Rendering
from mcm_fast.testing import golden_model

SLICES = 3  # as in model_file.h: few, for speed
GOLDEN = golden_model().parent
RENDERINGS = Path(__file__).parents[1] / "tests" / "golden" / "pixels.safetensors"
SHARED = ("input", "gain", "exp2", "sigmoid")  # what all layers of a rendering use
TYPES = [np.dtype(name) for name in ("int8", "int16", "int32", "int64")]  # in the order of Type


def small_model(tensors: dict[str, torch.Tensor]) -> IntegerModel:
    """The first slices, with a last channel that is certain to be zero."""
    layers = IntegerModel(tensors).layers
    columns = sum(len(tensors[f"{name}.weight"]) for name in layers if _stays(name))
    tensors = {name: tensor for name, tensor in tensors.items() if _stays(name)}
    for name in ("multiplier", "bias"):
        tensors[name] = tensors[name][:, :columns].contiguous()
    head = tensors[f"slice.{SLICES - 1}.head.weight"]
    half = len(head) // 2
    head[[half - 1, -1]] = 0
    tensors["bias"][:, [-half - 1, -1]] = 0
    return IntegerModel(tensors, SLICES)


def _stays(name: str) -> bool:
    return not name.startswith("slice.") or int(name.split(".")[1]) < SLICES


def model_bytes(model: IntegerModel) -> bytes:
    return tensor_bytes({name: tensor.numpy() for name, tensor in model.tensors.items()})


def tensor_bytes(tensors: dict[str, np.ndarray]) -> bytes:
    """As `model_file.h` reads them."""
    out = bytearray()
    for name, tensor in tensors.items():
        out += struct.pack("<I", len(name)) + name.encode()
        shape, kind = tensor.shape, TYPES.index(tensor.dtype)
        out += struct.pack(f"<BI{len(shape)}q", kind, len(shape), *shape) + tensor.tobytes()
    return bytes(out)


def container_seeds() -> dict[str, bytes]:
    seeds = {path.name: path.read_bytes() for path in GOLDEN.glob("*.mcm")}
    seeds = {name: data for name, data in seeds.items() if len(data) < 16384}
    chunked = container.unpack(seeds["pixel.mcm"])
    for chunks in ({"iccp": b"profile"}, {"exif": b"", "abcD": bytes(9)}):
        chunked.chunks = chunks
        seeds["-".join(chunks)] = container.pack(chunked)
    for sides, size in ((None, (1, 1)), ((64, 64), (65, 70))):
        tiled = dataclasses.replace(chunked, sides=sides, width=size[0], height=size[1])
        tiled.tiles = chunked.tiles * len(tiled.places)
        tiled.alpha = [zlib.compress(bytes(4 * i)) for i in range(len(tiled.places))]
        tiled.transposed, tiled.gray = sides is not None, True
        seeds[f"alpha-{len(tiled.places)}"] = container.pack(tiled)
    return seeds


def write_decoder(path: Path) -> None:
    """The golden model's file for the C library: all that it can be asked for, and small."""
    faithful = load_decoder(RENDERINGS).renderings["tiny"]
    near = _near(faithful, 16, faithful.channels[0], faithful.tensors["means"])
    no_means = np.zeros_like(faithful.tensors["means"])
    previews = {
        f"preview{scale}": _near(faithful, 16 // scale, faithful.y_channels, no_means)
        for scale in (8, 16)
    }
    renderings = {"faithful": faithful, "near": near, **previews}
    save_decoder(path, load_file(golden_model()), renderings)


def _near(faithful: Rendering, side: int, channels: int, means: np.ndarray) -> Rendering:
    """One layer that draws side x side pixels of each latent and its neighbours, so that a box of a
    small image does not need all of it."""
    outputs = 3 * side**2
    weight = np.random.default_rng(side).integers(-500, 501, (outputs, channels, 3, 3))
    layer = Layer(Operation.CONV, 0, 3, Activation.NONE, -1, -1, side, 255)
    made = {
        "layers": np.array([layer], np.int32),
        "means": means,
        "0.weight": weight.astype(np.int16),
        "0.multiplier": np.full(outputs, 2**12, np.int32),
        "0.bias": np.full(outputs, 128 << 30, np.int64),
    }
    return Rendering({key: faithful.tensors[key] for key in SHARED} | made)


def main(folder: Path) -> None:
    (folder / "seeds").mkdir(parents=True, exist_ok=True)
    model = small_model(load_file(golden_model()))
    (folder / "model.bin").write_bytes(model_bytes(model))
    rendering = load_decoder(RENDERINGS).renderings["odd"]
    (folder / "rendering.bin").write_bytes(tensor_bytes(rendering.tensors))
    write_decoder(folder / "decoder.safetensors")
    for name, data in container_seeds().items():
        (folder / "seeds" / name).write_bytes(data)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
