"""Metrics beside PSNR, MS-SSIM and LPIPS, and which of them are available."""

from __future__ import annotations

import importlib.util
import io
import os

import torch
from torch import Tensor

from ..images import write_image
from .metrics import Metric, need


class SSIMULACRA2:
    """SSIMULACRA2 (Cloudinary) by the package ssimulacra2: 100 is the original, 30 is poor."""

    name = "ssimulacra2"
    min_side = 8

    def __init__(self):
        self._score = need("ssimulacra2", "metrics").compute_ssimulacra2

    def measure(self, a: Tensor, b: Tensor) -> float | None:
        """The score of two uint8 images (3, H, W). None where they are too small."""
        if min(a.shape[-2:]) < self.min_side:
            return None
        return float(self._score(_file(a), _file(b)))


def _file(image: Tensor) -> io.BytesIO:
    file = io.BytesIO()  # the package takes what Pillow opens
    write_image(image, file, format="BMP")
    return file


def load_extras(
    dists: str | os.PathLike | None = None,
    pim: str | os.PathLike | None = None,
    ssimulacra2: bool = False,
    device: str | torch.device = "cpu",
) -> tuple[list[Metric], dict[str, str]]:
    """The metrics that were asked for; and of all three whether they are available, or why not.

    `dists` and `pim` are the folders of their weights (see those modules). Raises ValueError for
    weights that do not fit, ImportError, OSError.
    """
    extras: list[Metric] = []
    if dists is not None:
        from .dists import DISTS

        extras.append(DISTS(dists).to(device))
    if pim is not None:
        from .pim import PIM

        extras.append(PIM(pim).to(device))
    if ssimulacra2:
        extras.append(SSIMULACRA2())
    installed = importlib.util.find_spec("ssimulacra2") is not None
    available = {
        "DISTS": "yes" if dists is not None else "no: its weights are not given (--dists)",
        "PIM": "yes" if pim is not None else "no: its weights are not given (--pim)",
        "SSIMULACRA2": "yes" if ssimulacra2 else "no: not asked for (--ssimulacra2)",
    }
    if not installed:
        available["SSIMULACRA2"] = "no: pip install mcm-fast[metrics]"
    return extras, available
