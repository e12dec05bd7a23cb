"""Made the golden streams, once: `python tests/golden/make.py`. Never run it over streams of a
frozen format version: a reader that no longer decodes them is wrong, not they.

model.safetensors holds the integers of a tiny random model and nothing else; index.json names, for
each stream, the SHA-256 of its latents.
"""

import hashlib
import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from mcm_fast import Codec, container
from mcm_fast.container import Stream
from mcm_fast.exact.model import IntegerModel
from mcm_fast.exact.reference import ReferenceEngine

FOLDER = Path(__file__).parent
# name: width, height, transposed, quality in hundredths, spread of the latents
STREAMS = {
    "pixel": (1, 1, False, 0, 1.0),
    "wide": (65, 1, False, 5000, 0.4),
    "portrait": (63, 130, True, 3333, 2.0),
    "photo": (200, 150, False, 7501, 4.0),
    "extreme": (100, 90, False, 10000, 20000.0),
    "groups": (800, 600, False, 9999, 900.0),
}


def latents_hash(y: torch.Tensor, z: torch.Tensor) -> str:
    """SHA-256 of z's, then y's values as little-endian int16."""
    return hashlib.sha256(z.numpy().tobytes() + y.numpy().tobytes()).hexdigest()


def save_model() -> None:
    """A random model whose last channel is certain to be zero, so that there are exceptions."""
    tensors = Codec.untrained("tiny", seed=2021).integers.tensors
    half = tensors["slice.7.head.weight"].shape[0] // 2
    tensors["slice.7.head.weight"][[half - 1, -1]] = 0
    tensors["bias"][:, [-half - 1, -1]] = 0
    save_file(tensors, FOLDER / "model.safetensors")


def main() -> None:
    save_model()
    model = IntegerModel(load_file(FOLDER / "model.safetensors"))
    generator = torch.Generator().manual_seed(2021)
    index = {}
    for name, (width, height, transposed, quality, spread) in STREAMS.items():
        rows, columns = (width, height) if transposed else (height, width)
        h, w = -(-rows // 16), -(-columns // 16)
        shapes = (model.y_channels, h, w), (model.z_channels, -(-h // 4), -(-w // 4))
        y, z = (
            (spread * torch.randn(shape, generator=generator)).clamp(-32768, 32767).short()
            for shape in shapes
        )
        [(coded, _)] = ReferenceEngine(model).encode([(y, z, quality)])
        stream = Stream(model.id, quality, width, height, transposed, coded)
        (FOLDER / f"{name}.mcm").write_bytes(container.pack(stream))
        index[name] = latents_hash(y, z)
    (FOLDER / "index.json").write_text(json.dumps(index, indent=1) + "\n")


if __name__ == "__main__":
    main()
