"""What coding tiles cost and give: `python benchmarks/tiles.py IMAGE [IMAGE ...]`.

`--sheet` first: only the rate, of all images side by side as they are, six in a row.

Without it each image is enlarged to 12 megapixels. Prints the rate of tiles against none (not with
`--threads` first), and the times of the entropy part with one thread and two. regions.py measures
parts of a larger image.
"""

import hashlib
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from PIL import Image

import mcm_fast
from mcm_fast import tiled
from mcm_fast.exact.cpu import CpuEngine

PIXELS = 12e6


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
        engines = [CpuEngine(codec.integers, count) for count in (1, 2)]
        spent: list[list[float]] = [[], []]
        for _ in range(7):  # in turns
            for engine, each in zip(engines, spent, strict=True):
                each.append(seconds(time.perf_counter, lambda e=engine, p=parts: e.decode(p)))
        one, two = map(statistics.median, spent)
        print(f"quality {quality}, 1024, one thread {one:.3f} s, two {two:.3f}: {one / two:.2f}")
        print(f"  (two hashes, one after the other and at once: {second_core():.2f})")


def second_core() -> float:
    """How much faster two threads are that share nothing: what the machine gives."""

    def twice(workers: int) -> None:
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(lambda _: hashlib.sha256(bytes(10**8)).digest(), range(2)))

    spent = [[seconds(time.perf_counter, lambda n=n: twice(n)) for _ in range(5)] for n in (1, 2)]
    one, two = map(statistics.median, spent)
    return one / two


def main() -> None:
    torch.set_num_threads(1)
    codec = mcm_fast.load("small")
    if sys.argv[1] == "--sheet":
        rates(codec, sheet(sys.argv[2:]))
        return
    fast = sys.argv[1] == "--threads"
    for path in sys.argv[1 + fast :]:
        image = enlarged(path)
        print(path, f"{image.shape[2]}x{image.shape[1]}")
        if not fast:
            rates(codec, image)
        threads(codec, image)


if __name__ == "__main__":
    main()
