"""Rate-distortion over a folder of images: a codec's true bytes.

Means are means over images of each image's bits per pixel and PSNR, at equal quality, as the field
reports Kodak. Everything is measured on 8-bit RGB.
"""

from __future__ import annotations

import dataclasses
import math
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import PIL
import torch
from torch import Tensor

from ..images import read_image
from . import metrics
from .anchors import image_paths
from .bd_rate import BDRate, Curve, EqualRate, at_equal_rate, bd_rate
from .lpips import LPIPS
from .metrics import Metric

if TYPE_CHECKING:
    import mcm_fast

Row = dict[str, object]
_MEASURES = ("bytes", "bpp", "psnr", "ms_ssim", "encode_s", "decode_s")


class Codec(Protocol):
    """What `evaluate` asks of a codec; any other (JPEG, say) can be put behind it."""

    def compress(self, image: Tensor, quality: float) -> bytes: ...  # image: uint8 (3, H, W)

    def decompress(self, stream: bytes) -> Tensor: ...


@dataclasses.dataclass(frozen=True)
class Rendered:
    """A codec of this package as one of its renderings shows it."""

    codec: mcm_fast.Codec
    rendering: str

    @property
    def device(self) -> torch.device:
        return self.codec.device

    def compress(self, image: Tensor, quality: float) -> bytes:
        return self.codec.compress(image, quality)

    def decompress(self, stream: bytes) -> Tensor:
        return self.codec.decompress(stream, self.rendering)


@dataclasses.dataclass
class Result:
    """One evaluation.

    `rows`: for each image and quality, "image", "quality", "width", "height", "bytes", "bpp",
    "psnr" (dB), "ms_ssim", "lpips_<net>" where asked for, "encode_s" and "decode_s" (seconds);
    None for what the image is too small for or an estimate does not have. `curve`: their means,
    one for each quality. `anchors`: the curves to compare with, by label.
    """

    label: str
    rows: list[Row]
    curve: Curve
    anchors: dict[str, Curve]
    about: dict[str, object]


class Comparison(NamedTuple):
    """A result against one anchor: rate at equal PSNR, and metrics at equal rate."""

    anchor: str
    bd_rate: BDRate | None  # None where the curves share no range of PSNR
    psnr: EqualRate | None
    ms_ssim: EqualRate | None
    lpips: EqualRate | None


def evaluate(
    codec: Codec,
    folder: str | os.PathLike,
    qualities: Sequence[float],
    lpips: LPIPS | None = None,
    anchors: Mapping[str, Curve] | None = None,
    label: str = "mcm_fast",
    step: Callable[[], None] = lambda: None,
    extras: Sequence[Metric] = (),
) -> Result:
    """Compress and decompress every image of a folder at every quality, and measure.

    Times are those of `compress` and `decompress`, image in memory to bytes in memory and back; a
    first round trip goes unmeasured. `extras` are metrics beside PSNR, MS-SSIM and LPIPS. `step` is
    called after each image and quality. Unreadable images are left out with a UserWarning. Raises
    ValueError for a folder without images or for no qualities; OSError.
    """
    device = torch.device(getattr(codec, "device", "cpu"))

    def measure(image: Tensor, quality: float) -> Row:
        stream, encode_s = _timed(lambda: codec.compress(image, quality=quality), device)
        decoded, decode_s = _timed(lambda: codec.decompress(stream), device)
        times = {"encode_s": encode_s, "decode_s": decode_s}
        return rate(len(stream), image) | distortion(image, decoded.cpu(), lpips, extras) | times

    first = _read(image_paths(folder)[0])
    codec.decompress(codec.compress(first, quality=_checked(qualities)[0]))
    rows = each(folder, qualities, measure, step)
    return Result(label, rows, means(rows), dict(anchors or {}), about(folder, rows, device))


def compare(result: Result) -> list[Comparison]:
    """The result against each of its anchors, over the means of each quality."""
    lpips = next((key for key in result.curve if key.startswith("lpips_")), "lpips_")
    ours = result.curve
    return [
        Comparison(
            name,
            bd_rate(curve, ours),
            *(at_equal_rate(curve, ours, key) for key in ("psnr", "ms_ssim", lpips)),
        )
        for name, curve in result.anchors.items()
    ]


def means(rows: Sequence[Row]) -> Curve:
    """For each quality, in rising order, the mean of every measure over the images that have it.

    A measure that no image has is left out.
    """
    qualities = sorted({row["quality"] for row in rows})
    curve: Curve = {"quality": qualities}
    more = sorted({key for row in rows for key in row if key.startswith(metrics.PREFIXES)})
    keys = [*_MEASURES, *more]
    for key in keys:
        columns = [
            [row[key] for row in rows if row["quality"] == quality and row.get(key) is not None]
            for quality in qualities
        ]
        if all(columns):
            curve[key] = [math.fsum(column) / len(column) for column in columns]
    return curve


def each(
    folder: str | os.PathLike,
    qualities: Sequence[float],
    measure: Callable[[Tensor, float], Row],
    step: Callable[[], None],
) -> list[Row]:
    rows: list[Row] = []
    qualities = _checked(qualities)
    for path in image_paths(folder):
        image = _read(path)
        height, width = image.shape[1:]
        for quality in qualities:
            row = {"image": path.name, "quality": quality, "width": width, "height": height}
            rows.append(row | measure(image, quality))
            step()
    return rows


def _checked(qualities: Sequence[float]) -> Sequence[float]:
    if not qualities or not all(0 <= quality <= 100 for quality in qualities):
        raise ValueError(f"qualities in 0 .. 100 wanted, got {list(qualities)}")
    return qualities


def _read(path: Path) -> Tensor:
    try:
        return read_image(path)[0]
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from error


def rate(size: float, image: Tensor) -> Row:
    return {"bytes": size, "bpp": 8 * size / image[0].numel()}


def distortion(
    image: Tensor, decoded: Tensor, lpips: LPIPS | None = None, extras: Sequence[Metric] = ()
) -> Row:
    row: Row = {"psnr": metrics.psnr(image, decoded), "ms_ssim": metrics.ms_ssim(image, decoded)}
    if lpips is not None:
        row[f"lpips_{lpips.net}"] = metrics.lpips(lpips, image, decoded)
    return row | {metric.name: metric.measure(image, decoded) for metric in extras}


def _timed(action: Callable[[], object], device: torch.device) -> tuple[object, float]:
    """What `action` returns, and its seconds, with all that it started on a GPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    value = action()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return value, time.perf_counter() - start


def about(folder: str | os.PathLike, rows: Sequence[Row], device: torch.device) -> dict:
    """What a number depends on."""
    on_gpu = device.type == "cuda"
    return {
        "folder": Path(folder).resolve().name,
        "images": len({row["image"] for row in rows}),
        "device": torch.cuda.get_device_name(device) if on_gpu else platform.machine(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "pillow": PIL.__version__,
    }
