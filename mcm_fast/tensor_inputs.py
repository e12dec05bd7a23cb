"""Checks of tensors, latents and devices that callers hand in; see `inputs`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor

from .coding_tiles import are_sides, count
from .inputs import check_pixels
from .limits import QUALITY_STEPS

if TYPE_CHECKING:
    from .latents import Latents

T = TypeVar("T")
HAIR = 1e-3  # of what float images may lie beyond [0, 1]


def check_image(image: Tensor, max_pixels: int) -> Tensor:
    """An image (C, H, W), uint8 or float in [0, 1], of at most so many pixels.

    A float image that is beyond by a hair, as resampling leaves it, is clamped.
    """
    if not isinstance(image, Tensor):
        raise ValueError(f"an image is a torch.Tensor, not {type(image).__name__}")
    if image.dtype != torch.uint8 and not image.dtype.is_floating_point:
        hint = ": 16 bits a channel are not in this format" if "int" in str(image.dtype) else ""
        raise ValueError(f"an image is uint8 or float in [0, 1], not {image.dtype}{hint}")
    if image.dim() == 4:
        raise ValueError(
            f"an image is (C, H, W), not {tuple(image.shape)}: compress_many takes a batch"
        )
    if image.dim() != 3:
        raise ValueError(f"an image is (C, H, W), not {tuple(image.shape)}")
    if not 1 <= image.shape[0] <= 4:
        channels = "1 (gray), 2 (gray and alpha), 3 (RGB) or 4 (RGBA) channels"
        raise ValueError(f"an image (C, H, W) has {channels}, not {image.shape[0]}")
    if image.numel() == 0:
        raise ValueError(f"an empty image: {tuple(image.shape)}")
    check_pixels(image.shape[2], image.shape[1], max_pixels)
    if image.dtype.is_floating_point:
        low, high = image.aminmax()
        if not (low >= -HAIR and high <= 1 + HAIR):  # also false for NaN
            raise ValueError(f"float images lie in [0, 1]; this one in [{low:.4g}, {high:.4g}]")
        if low < 0 or high > 1:
            return image.clamp(0, 1)
    return image


def check_many(items: Sequence[T] | Tensor, what: str) -> list[T]:
    """A batch: a list or tuple, or a tensor (N, 3, H, W) of images of one size."""
    if isinstance(items, list | tuple):
        return list(items)
    if isinstance(items, Tensor) and items.dim() == 4:
        return list(items)
    kind = tuple(items.shape) if isinstance(items, Tensor) else type(items).__name__
    raise ValueError(f"a batch is a list of {what}, not {kind}")


def check_latents(latents: Latents, channels: tuple[int, int]) -> Latents:
    """Latents that a model of so many channels of y and of z can code."""
    steps = latents.quality_steps
    if not 0 <= steps <= QUALITY_STEPS:
        raise ValueError(f"latents.quality_steps is {steps}, not in 0..{QUALITY_STEPS}")
    size = latents.grid
    z_size = tuple(-(-side // 4) for side in size)
    shapes = (channels[0], *size), (channels[1], *z_size)
    for name, tensor, shape in zip("yz", (latents.y, latents.z), shapes, strict=True):
        if tensor.dtype != torch.int16 or tuple(tensor.shape) != shape:
            kind = f"{tensor.dtype} {tuple(tensor.shape)}"
            raise ValueError(f"latents.{name} is {kind}, not torch.int16 {shape}")
    if latents.sides is not None and (
        not are_sides(latents.sides) or count(*latents.coded_size, latents.sides) < 2
    ):
        raise ValueError(f"latents.sides is {latents.sides}: no sides of several coding tiles")
    return latents


def check_device(device: str | torch.device) -> torch.device:
    """A device that tensors can be made on."""
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:  # torch built without CUDA asserts
        raise ValueError(f"device {str(device)!r} cannot be used: {error}") from None
