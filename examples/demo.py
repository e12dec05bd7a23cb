"""Compress a photograph at a few qualities: python examples/demo.py [IMAGE] [--quality Q ...]

Without IMAGE it takes the cup of coffee that scikit-image ships. Prints a table, checks that the
integers are exact, and writes demo/side_by_side.png.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
from PIL import Image, ImageDraw
from rich.console import Console
from rich.table import Table

import mcm_fast
from mcm_fast.evaluation.metrics import psnr
from mcm_fast.images import read_image

OUTPUT = Path("demo/side_by_side.png")
CROP = 96  # the reference engine walks pixel by pixel: it checks a corner
T = TypeVar("T")


def photograph(path: Path | None) -> torch.Tensor:
    """Return a uint8 image (3, height, width)."""
    if path is not None:
        return read_image(path)[0]
    from skimage import data

    return torch.from_numpy(data.coffee()).permute(2, 0, 1).contiguous()


def timed(action: Callable[[], T]) -> tuple[T, float]:
    """Return what `action` returns, and the seconds of the fastest of three runs."""
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        result = action()
        seconds.append(time.perf_counter() - start)
    return result, min(seconds)


def check_exact(
    codec: mcm_fast.Codec, reference: mcm_fast.Codec, image: torch.Tensor, quality: float
) -> None:
    """Raise RuntimeError unless the latents survive and both engines agree on every byte."""
    latents = codec.analysis(image, quality=quality)
    stream = codec.encode(latents)
    decoded = codec.decode(stream)
    if decoded != latents or codec.encode(decoded) != stream:
        raise RuntimeError(f"quality {quality}: the latents did not survive")
    corner = codec.analysis(image[:, :CROP, :CROP], quality=quality)
    stream = codec.encode(corner)
    if reference.encode(corner) != stream or reference.decode(stream) != corner:
        raise RuntimeError(f"quality {quality}: the engines disagree")


def side_by_side(pictures: dict[str, torch.Tensor]) -> Image.Image:
    """Return the uint8 images (3, height, width) of equal size in a row, each under its caption."""
    bar = 20
    height, width = next(iter(pictures.values())).shape[1:]
    sheet = Image.new("RGB", (width * len(pictures), height + bar), "white")
    draw = ImageDraw.Draw(sheet)
    for column, (caption, picture) in enumerate(pictures.items()):
        sheet.paste(Image.fromarray(picture.permute(1, 2, 0).numpy()), (column * width, bar))
        draw.text((column * width + 4, 4), caption, fill="black")
    return sheet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("image", type=Path, nargs="?")
    parser.add_argument("--quality", type=float, nargs="+", default=[10, 50, 90])
    arguments = parser.parse_args()

    image = photograph(arguments.image)
    codec = mcm_fast.load("small")
    reference = mcm_fast.load("small", engine="reference")
    codec.decompress(codec.compress(image, quality=50))  # the first run is never a fair timing

    height, width = image.shape[1:]
    table = Table("quality", "bytes", "bpp", "PSNR dB", "compress ms", "decompress ms", "exact")
    table.title = f"{width} x {height}, {image.numel():,} bytes uncompressed"
    pictures = {"original": image}
    for quality in arguments.quality:
        stream, compressing = timed(lambda q=quality: codec.compress(image, quality=q))
        decoded, back = timed(lambda s=stream: codec.decompress(s))
        check_exact(codec, reference, image, quality)
        size = len(stream)
        table.add_row(
            f"{quality:g}",
            f"{size:,}",
            f"{8 * size / (height * width):.3f}",
            f"{psnr(image, decoded):.2f}",
            f"{1000 * compressing:.0f}",
            f"{1000 * back:.0f}",
            "yes",
        )
        pictures[f"quality {quality:g}: {size:,} bytes"] = decoded
    Console().print(table)

    OUTPUT.parent.mkdir(exist_ok=True)
    side_by_side(pictures).save(OUTPUT)
    print(
        "exact: decoded latents equal the encoded ones, encoding them again gives the same bytes,\n"
        f"and the reference engine agrees on a corner of {CROP} pixels. Pictures: {OUTPUT}"
    )


if __name__ == "__main__":
    main()
