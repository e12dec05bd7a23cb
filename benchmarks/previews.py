"""What previews lose and cost: `python benchmarks/previews.py MODEL IMAGE [IMAGE ...]`.

Of the first image at quality 50 the processor time of the entropy part, of the synthesis and of a
preview, one thread. Then, at five qualities, the PSNR of the means over blocks of the whole decoded
image and of the preview, both against the means of the original. In floats, and in integers where
MODEL's decoder lies beside it (`mcm-fast export --decoder`).
"""

import math
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from mcm_fast import Codec, PixelDecoder
from mcm_fast.images import read_image

SCALES, QUALITIES, REPEATS = (8, 16), (10, 30, 50, 70, 90), 15
Draw = Callable[[bytes, int], Tensor]  # a stream at a scale: uint8 (3, H, W)


def shrunk(image: Tensor, scale: int) -> Tensor:
    """uint8 (3, H, W) -> its means over blocks of what there is, in levels."""
    return F.avg_pool2d(image[None].double(), scale, ceil_mode=True)[0]


def decibels(image: Tensor, original: Tensor) -> float:
    return 10 * math.log10(255**2 / (image - original).square().mean().item())


def losses(
    draws: dict[str, Draw], encode: Callable[[Tensor, int], bytes], paths: list[str]
) -> None:
    images = [read_image(path)[0] for path in paths]
    for quality in QUALITIES:
        streams = [encode(image, quality) for image in images]
        for name, draw in draws.items():
            whole = [draw(stream, 1) for stream in streams]
            for scale in SCALES:
                originals = [shrunk(image, scale) for image in images]
                best = [
                    decibels(shrunk(w, scale), o) for w, o in zip(whole, originals, strict=True)
                ]
                found = [
                    decibels(draw(s, scale).double(), o)
                    for s, o in zip(streams, originals, strict=True)
                ]
                less = [a - b for a, b in zip(best, found, strict=True)]
                means = statistics.mean(best), statistics.mean(found), statistics.mean(less)
                print(f"quality {quality}, {name}, 1/{scale}: whole {means[0]:.2f} dB, preview "
                      f"{means[1]:.2f}, {means[2]:.2f} less, at worst {max(less):.2f}")  # fmt: skip


def milliseconds(action: Callable[[], object]) -> float:
    spent = []
    for _ in range(REPEATS):
        start = time.process_time()
        action()
        spent.append(time.process_time() - start)
    return 1000 * statistics.median(spent)


def times(draws: dict[str, Draw], decode: Callable[[bytes], object], stream: bytes) -> None:
    entropy = milliseconds(lambda: decode(stream))
    print(f"entropy part {entropy:.1f} ms")
    for name, draw in draws.items():
        synthesis = milliseconds(lambda d=draw: d(stream, 1)) - entropy
        print(f"{name}: synthesis {synthesis:.1f} ms")
        for scale in SCALES:
            spent = milliseconds(lambda d=draw, s=scale: d(stream, s))
            share = 100 * (spent - entropy) / synthesis
            print(f"  1/{scale}: {spent:.1f} ms, entropy part and {share:.1f} % of the synthesis")


def main() -> None:
    torch.set_num_threads(1)
    path = Path(sys.argv[1])
    codec, exact = Codec.from_file(path), path.with_suffix(".decoder.safetensors")
    draws: dict[str, Draw] = {"floats": lambda s, n: codec.decompress(s, scale=n, exact=False)}
    if exact.exists():
        decoder = PixelDecoder(exact, threads=1)

        def draw(stream: bytes, scale: int) -> Tensor:
            return torch.from_numpy(decoder.decompress(stream, scale=scale)).permute(2, 0, 1)

        draws["integers"] = draw
    times(draws, codec.decode, codec.compress(read_image(sys.argv[2])[0], 50))
    losses(draws, codec.compress, sys.argv[2:])


if __name__ == "__main__":
    main()
