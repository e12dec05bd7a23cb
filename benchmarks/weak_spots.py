"""Where a model of photographs is weak: `python benchmarks/weak_spots.py KODAK CASES --model FILE`.

Black text at quality 100, one flat colour, the tint of gray photographs before any gray flag, and
ten generations of a crop at quality 100. KODAK and CASES are folders; prints a Markdown table.
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor

import mcm_fast
from mcm_fast.evaluation.metrics import psnr
from mcm_fast.images import read_image

GENERATIONS = 10
CROP = slice(128, 384), slice(256, 512)  # rows and columns of kodim08


def decoded(codec: mcm_fast.Codec, image: Tensor, quality: float) -> tuple[int, Tensor]:
    """Bytes, and what they show."""
    stream = codec.compress(image, quality)
    return len(stream), codec.decompress(stream)


def text(codec: mcm_fast.Codec, image: Tensor) -> str:
    size, shown = decoded(codec, image, 100)
    return f"{size:,} bytes, {psnr(image, shown):.2f} dB"


def flat(codec: mcm_fast.Codec, image: Tensor) -> str:
    """The largest difference of any sample."""
    off = [(decoded(codec, image, q)[1].int() - image.int()).abs().max() for q in (50, 100)]
    return " / ".join(str(int(n)) for n in off)


def tint(codec: mcm_fast.Codec, image: Tensor) -> str:
    """How far the three channels of a pixel lie apart: the largest, its 99.9th percentile, mean."""
    weights = torch.tensor([77, 150, 29])[:, None, None]
    gray = ((image.int() * weights).sum(0) + 128 >> 8).to(torch.uint8).expand(3, -1, -1)
    shown = decoded(codec, gray.contiguous(), 50)[1].int()
    apart = (shown.amax(0) - shown.amin(0)).flatten().float()
    most = apart.kthvalue(round(0.999 * len(apart))).values
    return f"{int(apart.max())} / {int(most)} / {apart.mean():.2f}"


def generations(codec: mcm_fast.Codec, image: Tensor) -> str:
    found, shown = [], image
    for _ in range(GENERATIONS):
        shown = decoded(codec, shown, 100)[1]
        found.append(psnr(image, shown))
    return f"{found[0]:.2f} to {found[-1]:.2f} dB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kodak", type=Path)
    parser.add_argument("cases", type=Path)
    parser.add_argument("--model", type=Path, action="append", help="files, or small")
    given = parser.parse_args()
    torch.set_num_threads(1)
    words = read_image(given.cases / "text_black_on_white.png")[0]
    green = read_image(given.cases / "flat_green.png")[0]
    photographs = {n: read_image(given.kodak / f"kodim{n:02}.png")[0] for n in (8, 19, 24)}
    crop = photographs[8][(slice(None), *CROP)].contiguous()
    names = [f"gray kodim{n:02}, quality 50: tint" for n in photographs]
    print(f"| model | text, quality 100 | flat, 50 / 100 | {' | '.join(names)} | generations |")
    print("|---" * (4 + len(names)) + "|")
    for model in given.model or ["small"]:
        codec = mcm_fast.load(model) if model == "small" else mcm_fast.Codec.from_file(model)
        cells = [text(codec, words), flat(codec, green)]
        cells += [tint(codec, photograph) for photograph in photographs.values()]
        print(f"| {model} | {' | '.join([*cells, generations(codec, crop)])} |", flush=True)


if __name__ == "__main__":
    main()
