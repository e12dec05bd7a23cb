"""What the fuzzers start from: `python fuzz/seeds.py FOLDER`.

Writes FOLDER/model.bin, the first slices of the golden model as `model_file.h` reads them, and
FOLDER/seeds/, the golden streams and some with chunks, tiles and alpha. The decoder's fuzzer makes
its own.
"""

import dataclasses
import struct
import sys
import zlib
from pathlib import Path

import torch
from safetensors.torch import load_file

from mcm_fast import container
from mcm_fast.exact.model import IntegerModel
from mcm_fast.testing import golden_model

SLICES = 3  # as in model_file.h: few, for speed
GOLDEN = golden_model().parent
TYPES = {torch.int8: 0, torch.int16: 1, torch.int32: 2, torch.int64: 3}


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
    out = bytearray()
    for name, tensor in model.tensors.items():
        out += struct.pack("<I", len(name)) + name.encode()
        shape = tensor.shape
        out += struct.pack(f"<BI{len(shape)}q", TYPES[tensor.dtype], len(shape), *shape)
        out += tensor.numpy().tobytes()
    return bytes(out)


def container_seeds() -> dict[str, bytes]:
    seeds = {path.name: path.read_bytes() for path in GOLDEN.glob("*.mcm")}
    seeds = {name: data for name, data in seeds.items() if len(data) < 8192}
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


def main(folder: Path) -> None:
    (folder / "seeds").mkdir(parents=True, exist_ok=True)
    model = small_model(load_file(golden_model()))
    (folder / "model.bin").write_bytes(model_bytes(model))
    for name, data in container_seeds().items():
        (folder / "seeds" / name).write_bytes(data)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
