"""Whole pictures, from pixels to bytes and back, beside the codecs that programs use today.

For each rate, each codec gets the whole quality whose mean rate comes nearest to that of `small`.
Kodak's images where `../shared/data/kodak` has them, else photographs of scikit-image.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from pathlib import Path

import everyday
import pytest
import torch
from torch import Tensor

from mcm_fast.evaluation.metrics import psnr
from mcm_fast.images import read_image

KODAK = Path(__file__).parents[2] / "shared" / "data" / "kodak"
EVERY = 8  # of Kodak's 24 images
QUALITIES = 20, 50  # of `small`
REPEATS = 2
TITLE = "Whole pictures: {}, {} thread{}, at the rate of small's quality {}, mean milliseconds"


@functools.cache
def pictures() -> tuple[str, list[Tensor]]:
    """What they are, and uint8 images (3, H, W)."""
    paths = sorted(KODAK.glob("*.png"))[::EVERY]
    if paths:
        return f"{len(paths)} of Kodak", [read_image(path)[0] for path in paths]
    from skimage import data

    arrays = data.astronaut(), data.coffee(), data.chelsea(), data.rocket()
    images = [torch.from_numpy(array).permute(2, 0, 1).contiguous() for array in arrays]
    return f"{len(images)} of scikit-image", images


@functools.cache
def target(quality: int) -> float:
    """The rate of `small` to look for, bits a pixel."""
    return rate(everyday.Ours(2), quality)


def rate(codec: everyday.Codec, quality: int) -> float:
    """The mean over every second picture: enough to choose a quality by."""
    images = pictures()[1][::2]
    sizes = (len(codec.compress(codec.picture(image), quality)) for image in images)
    rates = [8 * size / image[0].numel() for size, image in zip(sizes, images, strict=True)]
    return sum(rates) / len(rates)


@functools.cache
def nearest(name: str, quality: int) -> int:
    """The quality of a codec whose mean rate is nearest to the target; rates rise with quality."""
    if name == "mcm_fast":
        return quality
    codec, wanted = everyday.CODECS[name](2), target(quality)
    low, high = 0, 100
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if rate(codec, middle) < wanted else (low, middle)
    return min((low, high), key=lambda at: abs(rate(codec, at) - wanted))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize("name", everyday.CODECS)
def test_whole(name: str, quality: int, threads: int, report) -> None:
    before = torch.get_num_threads()
    try:
        setting = nearest(name, quality)
        codec = everyday.CODECS[name](threads)
        row = measured(codec, setting)
    except ImportError as error:
        pytest.skip(str(error))
    finally:
        torch.set_num_threads(before)
    title = TITLE.format(pictures()[0], threads, "s" * (threads > 1), quality)
    report(title, {"codec": f"{codec.name}, quality {setting}", **row})


def measured(codec: everyday.Codec, quality: int) -> dict[str, str]:
    """Means over the pictures, of rate, PSNR, and the times of both ways."""
    images = pictures()[1]
    taken = [codec.picture(image) for image in images]
    streams = [codec.compress(picture, quality) for picture in taken]
    values = []
    for image, stream in zip(images, streams, strict=True):
        decoded = codec.image(codec.decompress(stream))
        assert decoded.shape == image.shape
        values.append(psnr(image, decoded))
    times = []
    for picture, stream in zip(taken, streams, strict=True):
        compress = seconds(lambda p=picture: codec.compress(p, quality))
        times.append(compress + seconds(lambda s=stream: codec.decompress(s)))
    sizes = zip(streams, images, strict=True)
    rates = [8 * len(stream) / image[0].numel() for stream, image in sizes]
    heads = [f"{way}, {by}" for way in ("compress", "decompress") for by in ("clock", "processor")]
    means = (f"{1e3 * sum(each) / len(each):.1f}" for each in zip(*times, strict=True))
    return {
        "bpp": f"{sum(rates) / len(rates):.3f}",
        "PSNR (dB)": f"{sum(values) / len(values):.2f}",
        **dict(zip(heads, means, strict=True)),
    }


def seconds(function: Callable[[], object]) -> tuple[float, float]:
    """The shortest time of some calls, by the clock and of the processor: all threads of this
    process, whatever other programs the machine runs beside it."""
    function()
    taken = []
    for _ in range(REPEATS):
        start = time.perf_counter(), time.process_time()
        function()
        taken.append((time.perf_counter() - start[0], time.process_time() - start[1]))
    return min(clock for clock, _ in taken), min(processor for _, processor in taken)
