"""Pictures a second that a loader decodes and encodes through Pillow, on one thread, beside the
formats that data sets come in; and decodes by the rendering `fast`. Prints a table in Markdown.

    OMP_NUM_THREADS=1 python benchmarks/loaders.py [FOLDER OF PNG FILES]

Each format gets the whole quality whose rate on these pictures is nearest to that of ours at 50.
"""

from __future__ import annotations

import io
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from PIL import Image

import mcm_fast.pillow  # noqa: F401
from mcm_fast.integrations import pictures

try:
    import pillow_jxl  # noqa: F401
except ImportError:
    print("JPEG XL is left out: pip install pillow-jxl-plugin", file=sys.stderr)

KODAK = Path(__file__).parents[2] / "shared" / "data" / "kodak"
EVERY, REPEATS = 4, 3
FORMATS = {
    "mcm_fast": ("MCM", {}),
    "JPEG": ("JPEG", {}),
    "WebP (method 4)": ("WEBP", {"method": 4}),
    "AVIF (speed 6)": ("AVIF", {"speed": 6, "max_threads": 1}),
    "AVIF (speed 4)": ("AVIF", {"speed": 4, "max_threads": 1}),
    "JPEG XL (effort 7)": ("JXL", {"effort": 7, "num_threads": 1}),
}


def encoded(image: Image.Image, name: str, quality: int) -> bytes:
    format, options = FORMATS[name]
    file = io.BytesIO()
    image.save(file, format, quality=quality, **options)
    return file.getvalue()


def decoded(data: bytes, rendering: str | None = None) -> bytes:
    if rendering is not None:
        return pictures.decode(data, "pil", rendering).tobytes()
    return Image.open(io.BytesIO(data)).convert("RGB").tobytes()


def nearest_quality(images: list[Image.Image], name: str, target: int) -> int:
    """The whole quality whose bytes of all pictures come nearest; they grow with it."""

    def size(quality: int) -> int:
        return sum(len(encoded(image, name, quality)) for image in images)

    low, high = 1, 95
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if size(middle) < target else (low, middle)
    return min((low, high), key=lambda quality: abs(size(quality) - target))


def rate_of(action: Callable[[], object], count: int) -> float:
    """Pictures a second, the median of a few runs."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return count / statistics.median(times)


def main() -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # one core, whatever would take more
    torch.set_num_threads(1)
    Image.init()
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else KODAK
    images = [Image.open(path).convert("RGB") for path in sorted(folder.glob("*.png"))[::EVERY]]
    pixels = sum(image.width * image.height for image in images)
    target = sum(len(encoded(image, "mcm_fast", 50)) for image in images)
    print(f"{len(images)} pictures of {images[0].width}x{images[0].height}\n")
    print("| format | quality | bits a pixel | decoded images/s | encoded images/s |")
    print("|---|---:|---:|---:|---:|")
    for name, (format, _) in FORMATS.items():
        if format not in Image.SAVE:
            continue
        quality = 50 if name == "mcm_fast" else nearest_quality(images, name, target)
        row(images, name, quality, pixels)
        if name == "mcm_fast":
            row(images, name, quality, pixels, "fast")


def row(
    images: list[Image.Image], name: str, quality: int, pixels: int, rendering: str | None = None
) -> None:
    streams = [encoded(image, name, quality) for image in images]
    for stream, image in zip(streams, images, strict=True):
        assert len(decoded(stream, rendering)) == 3 * image.width * image.height
    decoding = rate_of(lambda: [decoded(stream, rendering) for stream in streams], len(images))
    encoding = rate_of(lambda: [encoded(image, name, quality) for image in images], len(images))
    bits = 8 * sum(map(len, streams)) / pixels
    name = name if rendering is None else f"{name}, {rendering}"
    print(f"| {name} | {quality} | {bits:.3f} | {decoding:.1f} | {encoding:.2f} |", flush=True)


main()
