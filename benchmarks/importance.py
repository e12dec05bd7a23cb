"""What a map of importance gives: `python benchmarks/importance.py IMAGE [IMAGE ...]`.

Weight 1 in a box, the middle quarter of the picture, and 0.1 around it, at the bytes (within half a
per cent) of the same effort without a map: decibels won in the box and lost around it, from exact
pixels. Prints a Markdown table.
"""

import argparse
from pathlib import Path

import torch

import mcm_fast
from mcm_fast.evaluation.metrics import psnr
from mcm_fast.images import read_image


def middle(height: int, width: int) -> tuple[slice, slice]:
    return slice(height // 4, height - height // 4), slice(width // 4, width - width // 4)


def around(image: torch.Tensor, decoded: torch.Tensor, box: tuple[slice, slice]) -> float:
    """PSNR outside the box, dB."""
    outside = torch.ones(image.shape[1:], dtype=torch.bool)
    outside[box] = False
    error = (image.double() - decoded.double())[:, outside].square().mean()
    return float(10 * torch.log10(255**2 / error))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images", type=Path, nargs="+")
    parser.add_argument("--effort", type=int, default=6)
    parser.add_argument("--quality", type=float, default=50)
    given = parser.parse_args()
    torch.set_num_threads(1)
    codec = mcm_fast.load("small")
    print("| image | bytes without, with the map | the box, dB | around it, dB |")
    print("|---|---:|---:|---:|")
    for path in given.images:
        image, _ = read_image(path)
        box = middle(*image.shape[1:])
        weights = torch.full(image.shape[1:], 0.1)
        weights[box] = 1.0
        plain = codec.compress(image, given.quality, effort=given.effort)
        bpp = 8 * len(plain) / weights.numel()
        mapped = codec.compress(image, target_bpp=bpp, effort=given.effort, importance=weights)
        before, after = (codec.decompress(stream) for stream in (plain, mapped))
        rows, columns = box
        cut = [t[:, rows, columns] for t in (image, before, after)]
        inside = psnr(cut[0], cut[2]) - psnr(cut[0], cut[1])
        outside = around(image, after, box) - around(image, before, box)
        sizes = f"{len(plain):,} {len(mapped):,}"
        print(f"| {path.stem} | {sizes} | {inside:+.2f} | {outside:+.2f} |", flush=True)


if __name__ == "__main__":
    main()
