"""Made the golden streams of format version 1, once: `python tests/golden/make.py`. Never run it
over streams of a frozen format version: a reader that no longer decodes them is wrong, not they.

model.safetensors holds the integers of a tiny random model and nothing else; its last channel is
certain to be zero, so that there are exceptions. index.json names, for each stream, the SHA-256 of
its latents and of its alpha.
"""

import hashlib
import json

import numpy as np
import torch
from safetensors.torch import load_file

from mcm_fast import alpha, container, tiled
from mcm_fast.container import Stream
from mcm_fast.exact.model import IntegerModel
from mcm_fast.exact.reference import ReferenceEngine
from mcm_fast.latents import Latents
from mcm_fast.testing.streams import FOLDER, latents_hash

# name: width, height, transposed, quality in hundredths, spread of the latents
PLAIN = {
    "pixel": (1, 1, False, 0, 1.0),
    "wide": (65, 1, False, 5000, 0.4),
    "portrait": (63, 130, True, 3333, 2.0),
    "photo": (200, 150, False, 7501, 4.0),
    "extreme": (100, 90, False, 10000, 20000.0),
    "groups": (800, 600, False, 9999, 900.0),
    "gray": (70, 40, False, 2500, 1.5),
    "alpha": (90, 70, False, 4000, 1.0),
    "tiles": (150, 200, True, 6000, 3.0),
    "chunks": (30, 20, False, 1234, 2.0),
    "everything": (130, 140, True, 8000, 2.0),
}
SIDES = {"tiles": (128, 64), "everything": (64, 64)}
GRAY, ALPHA, CHUNKS = {"gray", "everything"}, {"alpha", "everything"}, {"chunks", "everything"}
METADATA = {
    "iccp": bytes(range(200)),
    "exif": b"II*\0\x08\0\0\0\0\0",
    "xmpp": b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>",
    "cicp": bytes([1, 13, 0, 1]),
    "abcD": b"",
}


def random_latents(model: IntegerModel, name: str, generator: torch.Generator) -> Latents:
    width, height, transposed, quality, spread = PLAIN[name]
    rows, columns = (width, height) if transposed else (height, width)
    h, w = -(-rows // 16), -(-columns // 16)
    shapes = (model.y_channels, h, w), (model.z_channels, -(-h // 4), -(-w // 4))
    y, z = (
        (spread * torch.randn(shape, generator=generator)).clamp(-32768, 32767).short()
        for shape in shapes
    )
    header = width, height, quality, transposed
    return Latents(y, z, *header, gray=name in GRAY, sides=SIDES.get(name))


def plane_of(width: int, height: int) -> np.ndarray:
    """An alpha plane uint8 (H, W) of an edge, a ramp and noise."""
    rows, columns = np.mgrid[:height, :width]
    plane = np.where(columns < width // 3, 0, np.minimum(255, 3 * columns + rows))
    noise = np.random.default_rng(2021).integers(0, 256, plane.shape)
    return np.where(rows > height // 2, noise, plane).astype(np.uint8)


def stream_of(model: IntegerModel, latents: Latents, name: str) -> Stream:
    coded = [tile for tile, _ in ReferenceEngine(model).encode(tiled.items(latents))]
    header = latents.quality_steps, latents.width, latents.height, latents.transposed
    chunks = METADATA if name in CHUNKS else {}
    stream = Stream(model.id, *header, coded, chunks, latents.gray, latents.sides)
    if name in ALPHA:
        plane = plane_of(latents.width, latents.height)
        plane = plane.T if latents.transposed else plane
        boxes = stream.places
        stream.alpha = [alpha.compress(plane[b.top : b.bottom, b.left : b.right]) for b in boxes]
    return stream


def keep(name: str, data: bytes, latents: Latents) -> None:
    """Write a stream and its hashes."""
    (FOLDER / f"{name}.mcm").write_bytes(data)
    path = FOLDER / "index.json"
    index = json.loads(path.read_text()) if path.exists() else {}
    plane = plane_of(latents.width, latents.height).tobytes() if name in ALPHA else None
    index[name] = {
        "latents": latents_hash(latents.z.cpu().numpy(), latents.y.cpu().numpy()),
        "alpha": None if plane is None else hashlib.sha256(plane).hexdigest(),
    }
    path.write_text(json.dumps(index, indent=1) + "\n")


def main() -> None:
    model = IntegerModel(load_file(FOLDER / "model.safetensors"))
    generator = torch.Generator().manual_seed(2021)
    (FOLDER / "index.json").unlink(missing_ok=True)
    for name in PLAIN:
        latents = random_latents(model, name, generator)
        keep(name, container.pack(stream_of(model, latents, name)), latents)


if __name__ == "__main__":
    main()
