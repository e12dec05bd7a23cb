"""What is measured of a decoded image, on 8-bit RGB, image by image."""

from __future__ import annotations

import importlib
import math
from types import ModuleType
from typing import Protocol

import torch
from torch import Tensor

from .lpips import LPIPS

PREFIXES = ("lpips_", "dists", "pim_", "ssimulacra2")  # columns beside PSNR and MS-SSIM
MS_SSIM_MIN_SIDE = 161  # five scales under an 11x11 window: (11 - 1) * 2**4 + 1


class Metric(Protocol):
    """One more metric: DISTS, PIM, SSIMULACRA2. `name` is its column in tables and files."""

    name: str

    def measure(self, a: Tensor, b: Tensor) -> float | None: ...  # uint8 (3, H, W); None: too small


def title(column: str) -> str:
    """What tables call a column: "lpips_alex" is "LPIPS (alex)", "pim_5" "PIM-5"."""
    head, _, tail = column.partition("_")
    if head == "lpips":
        return f"LPIPS ({tail})"
    fixed = {"psnr": "PSNR (dB)", "ms_ssim": "MS-SSIM"}
    return fixed.get(column) or column.upper().replace("_", "-")


def psnr(a: Tensor, b: Tensor) -> float:
    """10 log10(255^2 / MSE) over all samples of two uint8 images (3, H, W); inf where equal."""
    _check(a, b)
    error = (a.to(torch.int32) - b.to(torch.int32)).square().sum(dtype=torch.int64).item()
    return 10 * math.log10(255**2 * a.numel() / error) if error else math.inf


def decibels(error: Tensor) -> Tensor:
    """The PSNR of mean squared errors of samples in [0, 1], any shape; at most 100 dB."""
    return -10 * error.clamp(min=1e-10).log10()


def ms_ssim(a: Tensor, b: Tensor) -> float | None:
    """MS-SSIM (Wang et al., 2003) of two uint8 images (3, H, W), the mean of the RGB channels.

    None where a side is below 161 pixels: the fifth scale would have no whole window.
    """
    _check(a, b)
    if min(a.shape[-2:]) < MS_SSIM_MIN_SIDE:
        return None
    x, y = (t[None].float() for t in (a, b))
    with torch.inference_mode():
        return need("pytorch_msssim").ms_ssim(x, y, data_range=255).item()


def lpips(metric: LPIPS, a: Tensor, b: Tensor) -> float | None:
    """LPIPS of two uint8 images (3, H, W). None where they are too small for the network."""
    _check(a, b)
    if min(a.shape[-2:]) < metric.min_side:
        return None
    device = next(metric.parameters()).device
    with torch.inference_mode():
        return metric(*(t[None].to(device).float() / 255 for t in (a, b))).item()


def need(name: str, extra: str = "train") -> ModuleType:
    """Import a package of an extra. Raises an ImportError that says how to install it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f"{name} is missing, install the extra with: pip install mcm-fast[{extra}]"
        ) from error


def _check(a: Tensor, b: Tensor) -> None:
    for image in (a, b):
        if image.dtype != torch.uint8 or image.dim() != 3 or image.shape[0] != 3:
            raise ValueError(f"an image is uint8 (3, H, W), got {image.dtype} {tuple(image.shape)}")
    if a.shape != b.shape:
        raise ValueError(f"images of different sizes: {tuple(a.shape)} and {tuple(b.shape)}")
