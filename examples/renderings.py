"""Crops of photographs beside what renderings make of the same stream:

    python examples/renderings.py OUT.png small:faithful small:perceptual [--quality Q]

One row a photograph of scikit-image, the original first, then a column for each MODEL:RENDERING
(an installed model or a model file). Prints each rendering's PSNR and the rate.
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor

import mcm_fast
from mcm_fast.evaluation.metrics import psnr
from mcm_fast.images import write_image

CROP = 192
CORNERS = {"astronaut": (20, 130), "chelsea": (60, 110), "coffee": (120, 210), "rocket": (90, 230)}


def photographs() -> dict[str, Tensor]:
    """uint8 (3, H, W) by name."""
    from skimage import data

    images = {name: torch.from_numpy(getattr(data, name)()) for name in CORNERS}
    return {name: image[..., :3].permute(2, 0, 1).contiguous() for name, image in images.items()}


def load(model: str) -> mcm_fast.Codec:
    return mcm_fast.Codec.from_file(model) if Path(model).is_file() else mcm_fast.load(model)


def column(spec: str, images: dict[str, Tensor], quality: float) -> list[Tensor]:
    """The decoded images of MODEL:RENDERING."""
    model, _, rendering = spec.partition(":")
    codec, decoded = load(model), []
    for name, image in images.items():
        stream = codec.compress(image, quality)
        decoded.append(codec.decompress(stream, rendering or "faithful"))
        bpp = 8 * len(stream) / image[0].numel()
        print(f"{spec:40} {name:10} {bpp:.3f} bpp {psnr(image, decoded[-1]):.2f} dB")
    return decoded


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("models", nargs="+", metavar="MODEL:RENDERING")
    parser.add_argument("--quality", type=float, default=20)
    arguments = parser.parse_args()
    images = photographs()
    columns = [list(images.values())]
    columns += [column(spec, images, arguments.quality) for spec in arguments.models]
    corners = list(CORNERS.values())
    rows = ([crop(*pair) for pair in zip(c, corners, strict=True)] for c in columns)
    grid = torch.cat([torch.cat(row, 1) for row in rows], 2)
    write_image(grid, arguments.out)


def crop(image: Tensor, corner: tuple[int, int]) -> Tensor:
    top, left = corner
    return image[:, top : top + CROP, left : left + CROP]


if __name__ == "__main__":
    main()
