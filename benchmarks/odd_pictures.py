"""Pictures unlike those a model was trained on: `python benchmarks/odd_pictures.py [IMAGE ...]`.

Each at quality 100 with effort 0, with an effort, and with the effort at no more bytes than effort
0 takes: bytes, and decibels won. Stripes are drawn here. Prints a Markdown table.
"""

import argparse
from pathlib import Path

import torch

import mcm_fast
from mcm_fast.evaluation.metrics import psnr
from mcm_fast.images import read_image

QUALITY = 100.0
_NARROWER = 0.99  # of the target, where the stream that was nearest to it is longer


def stripes(side: int = 128) -> torch.Tensor:
    """Black and white lines two pixels wide, uint8 (3, side, side)."""
    image = torch.zeros(3, side, side, dtype=torch.uint8)
    image[:, :, 0::4] = image[:, :, 1::4] = 255
    return image


def within(codec: mcm_fast.Codec, image: torch.Tensor, limit: int, effort: int) -> bytes:
    """A stream of at most so many bytes, and near them."""
    target = float(limit)
    while True:
        bpp = 8 * target / (image.shape[1] * image.shape[2])
        stream = codec.compress(image, target_bpp=bpp, effort=effort)
        if len(stream) <= limit:
            return stream
        target *= min(_NARROWER, limit / len(stream))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images", type=Path, nargs="*")
    parser.add_argument("--effort", type=int, default=9)
    given = parser.parse_args()
    torch.set_num_threads(1)
    codec = mcm_fast.load("small")
    pictures = {path.stem: read_image(path)[0] for path in given.images} | {"stripes": stripes()}
    print(f"| picture | effort 0 | effort {given.effort} | the same, at no more bytes |")
    print("|---|---:|---:|---:|")
    for name, image in pictures.items():
        plain = codec.compress(image, QUALITY)
        streams = (
            codec.compress(image, QUALITY, effort=given.effort),
            within(codec, image, len(plain), given.effort),
        )
        first = psnr(image, codec.decompress(plain))
        cells = [f"{len(plain):,} bytes, {first:.2f} dB"]
        for stream in streams:
            won = psnr(image, codec.decompress(stream)) - first
            cells.append(f"{len(stream):,} bytes, {won:+.2f} dB")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
