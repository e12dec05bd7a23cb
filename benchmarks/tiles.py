"""What coding tiles cost and give: `python benchmarks/tiles.py IMAGE [IMAGE ...]`.

`--sheet` first: only the rate, of all images side by side as they are, six in a row.

Without it each image is enlarged to 12 megapixels. Prints the rate of tiles against none, the times
of the entropy part with one thread and two, and, of nine copies of the last image side by side (108
megapixels), the processor time and the bytes that regions of 512x512 take.
"""

import io
import random
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image

import mcm_fast
from mcm_fast import tiled
from mcm_fast.exact.cpu import CpuEngine
from mcm_fast.latents import Latents

PIXELS, SIDE, REGIONS = 12e6, 512, 20


def enlarged(path: str) -> torch.Tensor:
    image = Image.open(path).convert("RGB")
    scale = (PIXELS / (image.width * image.height)) ** 0.5
    size = round(image.width * scale), round(image.height * scale)
    pixels = np.array(image.resize(size, Image.Resampling.BICUBIC))
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def sheet(paths: list[str]) -> torch.Tensor:
    """Images of one size, the portraits turned, six in a row."""
    images = [Image.open(path).convert("RGB") for path in paths]
    turned = [i if i.width > i.height else i.transpose(Image.Transpose.ROTATE_90) for i in images]
    rows = [np.concatenate(turned[n : n + 6], 1) for n in range(0, len(turned), 6)]
    return torch.from_numpy(np.concatenate(rows)).permute(2, 0, 1).contiguous()


def seconds(clock: Callable[[], float], action: Callable[[], object]) -> float:
    start = clock()
    action()
    return clock() - start


def rates(codec: mcm_fast.Codec, image: torch.Tensor) -> None:
    for quality in (30, 70):
        lengths = {}
        for side in (0, 1024, 512):
            latents = codec.analysis(image, quality, tiles=side)
            lengths[side] = len(codec.encode(latents))
            change = 100 * (lengths[side] / lengths[0] - 1)
            print(f"quality {quality}, tiles of {side or 'all'}: {lengths[side]} B {change:+.2f} %")


def threads(codec: mcm_fast.Codec, image: torch.Tensor) -> None:
    for quality in (30, 70):
        items = tiled.items(codec.analysis(image, quality, tiles=1024))
        coded = [coded for coded, _ in codec.engine.encode(items)]
        parts = [(c, *y.shape[1:], q) for c, (y, _, q) in zip(coded, items, strict=True)]
        for count in (1, 2):
            engine = CpuEngine(codec.integers, count)
            spent = [
                seconds(time.perf_counter, lambda e=engine, p=parts: e.decode(p)) for _ in range(3)
            ]
            print(f"quality {quality}, 1024, {count} threads: {min(spent):.2f} s")


class Counting(io.BytesIO):
    """Counts what is read."""

    count = 0

    def read(self, size: int | None = -1) -> bytes:
        content = super().read(size)
        self.count += len(content)
        return content


def regions(codec: mcm_fast.Codec, image: torch.Tensor) -> None:
    small = codec.compress(image[:, :SIDE, :SIDE], 50)
    latents = codec.analysis(image, 50, tiles=0)
    y = latents.y[:, : latents.y.shape[1] // 4 * 4, : latents.y.shape[2] // 4 * 4]
    z = latents.z[:, : y.shape[1] // 4, : y.shape[2] // 4]
    height, width = (3 * 16 * side for side in y.shape[1:])
    copies = y.repeat(1, 3, 3), z.repeat(1, 3, 3), width, height
    alone = [seconds(time.process_time, lambda: codec.decompress(small)) for _ in range(5)]
    base = statistics.median(alone)
    chance = random.Random(0)
    for side in (1024, 512):
        stream = codec.encode(Latents(*copies, 5000, False, sides=(side, side)))
        spent, read = [], []
        for _ in range(REGIONS):
            left, top = chance.randrange(width - SIDE), chance.randrange(height - SIDE)
            file, box = Counting(stream), (left, top, left + SIDE, top + SIDE)
            spent.append(
                seconds(time.process_time, lambda f=file, b=box: codec.decompress(f, box=b))
            )
            read.append(file.count)
        median = statistics.median(spent)
        print(
            f"{width}x{height} in tiles of {side}, a region of {SIDE}: {median:.3f} s, "
            f"{median / base:.2f} times an image of that size; "
            f"{statistics.median(read):.0f} of {len(stream)} bytes read"
        )


def main() -> None:
    torch.set_num_threads(1)
    codec = mcm_fast.load("small")
    if sys.argv[1] == "--sheet":
        rates(codec, sheet(sys.argv[2:]))
        return
    for path in sys.argv[1:]:
        image = enlarged(path)
        print(path, f"{image.shape[2]}x{image.shape[1]}")
        rates(codec, image)
        threads(codec, image)
    regions(codec, image)


if __name__ == "__main__":
    main()
