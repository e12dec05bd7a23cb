"""What exactness costs in rate: the integers against the same network in floating point.

    python benchmarks/entropy_cost.py FOLDER [--float-weights WEIGHTS]

For each gain level, over the images of a folder: bits per pixel of the float network (continuous mu
and sigma, an estimate), of the integers' ideal code length, and of the streams' true bytes.
Without --float-weights the float network is the one stored beside the integers.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
import torch.nn.functional as F

import mcm_fast
from mcm_fast.images import is_image_name, read_image
from mcm_fast.network.model import Network


@torch.inference_mode()
def float_bits(network: Network, image: torch.Tensor, level: int) -> float:
    """The float network's estimate for a uint8 image (3, H, W)."""
    pixels = image[None].float() / 255
    pad = -image.shape[2] % 64, -image.shape[1] % 64
    pixels = F.pad(pixels, (0, pad[0], 0, pad[1]), mode="replicate")
    out = network.entropy(network.analysis(pixels), torch.tensor([float(level)]))
    return (out.y_bits + out.z_bits).item()


def rows(codec: mcm_fast.Codec, network: Network, images: list[torch.Tensor]):
    """For each level: bits per pixel of float, ideal, true."""
    levels = network.config.levels
    for level in range(levels):
        sums = torch.zeros(3, dtype=torch.float64)
        for image in images:
            # The float network sees the same orientation as the codec.
            turned = image.transpose(1, 2) if image.shape[1] > image.shape[2] else image
            latents = codec.analysis(image, 100 * level / (levels - 1))
            length, ideal = 8 * len(codec.encode(latents)), codec.ideal_bits(latents)
            bits = float_bits(network, turned, level), ideal, length
            sums += torch.tensor(bits, dtype=torch.float64) / image[0].numel()
        yield level, *(sums / len(images)).tolist()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="small")
    parser.add_argument("--float-weights", type=Path)
    arguments = parser.parse_args()
    codec = mcm_fast.load(arguments.model)
    network = codec.network
    if arguments.float_weights:
        from mcm_fast.training.checkpoint import load_weights

        network = load_weights(arguments.float_weights).eval()
    paths = sorted(p for p in arguments.folder.iterdir() if is_image_name(p.name))
    images = [read_image(path)[0] for path in paths]
    print("| level | float bpp | ideal bpp | cost | stream bpp | cost |\n|---|---|---|---|---|---|")
    for level, real, ideal, true in rows(codec, network, images):
        costs = 100 * (ideal / real - 1), 100 * (true / real - 1)
        print(f"| {level} | {real:.4f} | {ideal:.4f} | {costs[0]:+.2f} % ", end="")
        print(f"| {true:.4f} | {costs[1]:+.2f} % |", flush=True)


if __name__ == "__main__":
    main()
