"""Checks of what callers hand in: one ValueError for each way it can be wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, BinaryIO

import torch
from torch import Tensor

from .limits import QUALITY_STEPS

if TYPE_CHECKING:
    from .network.transforms import Synthesis

Images = Tensor | Sequence[Tensor]  # one, or a batch
Bytes = bytes | bytearray | memoryview | BinaryIO  # what a stream may come as


def split(image: Images) -> list[Tensor] | None:
    """The images of a batch (which need not be valid ones); None for a single one."""
    if isinstance(image, list | tuple):
        return list(image)
    if isinstance(image, Tensor) and image.dim() == 4 and len(image):
        return list(image)
    return None


def check_image(image: Tensor) -> None:
    """An image (3, H, W), uint8 or float in [0, 1]."""
    if not isinstance(image, Tensor):
        raise ValueError(f"an image is a torch.Tensor, not {type(image).__name__}")
    if image.dtype != torch.uint8 and not image.dtype.is_floating_point:
        raise ValueError(f"an image is uint8 or float in [0, 1], not {image.dtype}")
    if image.dim() != 3:
        raise ValueError(f"an image is (3, H, W) or (N, 3, H, W), not {tuple(image.shape)}")
    if image.shape[0] != 3:
        raise ValueError(f"an image has 3 channels (RGB), not {image.shape[0]}")
    if image.numel() == 0:
        raise ValueError(f"an empty image: {tuple(image.shape)}")
    if image.dtype.is_floating_point:
        low, high = image.aminmax()
        if not (low >= 0 and high <= 1):  # also false for NaN
            raise ValueError(f"float images lie in [0, 1]; this one in [{low:.4g}, {high:.4g}]")


def check_quality(quality: float) -> int:
    """A quality in [0, 100] -> hundredths."""
    try:
        value = float(quality)
    except (TypeError, ValueError):
        raise ValueError(f"quality is a number in 0 .. 100, not {quality!r}") from None
    if not (math.isfinite(value) and 0 <= value <= 100):
        raise ValueError(f"quality is a number in 0 .. 100, not {quality!r}")
    return round(value * QUALITY_STEPS / 100)


def check_target(bpp: float) -> float:
    """A positive, finite number of bits per pixel."""
    if not isinstance(bpp, int | float) or not math.isfinite(bpp) or bpp <= 0:
        raise ValueError(f"target_bpp is a positive number, not {bpp!r}")
    return float(bpp)


def check_rendering(name: str, renderings: dict[str, Synthesis]) -> Synthesis:
    """The synthesis of that name."""
    if name not in renderings:
        raise ValueError(f"unknown rendering {name!r}: this model has {', '.join(renderings)}")
    return renderings[name]


def as_bytes(stream: Bytes) -> bytes:
    """The bytes of a bytes-like object or of a binary file object."""
    content = stream.read() if hasattr(stream, "read") else stream
    if isinstance(content, bytes | bytearray | memoryview):
        return bytes(content)
    raise ValueError(f"a stream is bytes or a binary file, not {type(content).__name__}")


def usable_device(device: str | torch.device) -> torch.device:
    """A device that tensors can be made on; ValueError otherwise."""
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:  # torch built without CUDA asserts
        raise ValueError(f"device {str(device)!r} cannot be used: {error}") from None
