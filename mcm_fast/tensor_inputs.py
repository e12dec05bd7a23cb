"""Checks of devices and tensors that callers hand in; see `inputs`, and `pictures` for images."""

from __future__ import annotations

import torch


def check_device(device: str | torch.device) -> torch.device:
    """A device that tensors can be made on."""
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, TypeError, ValueError, AssertionError) as error:  # the last without CUDA
        raise ValueError(f"device {str(device)!r} cannot be used: {error}") from None


def kind_of(tensor: object) -> str:
    """What a tensor is, for a message: its type and shape, or why it has no pixels."""
    if not isinstance(tensor, torch.Tensor):
        return type(tensor).__name__
    if tensor.is_nested:
        return "a nested tensor"
    layout = "" if tensor.layout == torch.strided else f", {tensor.layout}"
    device = ", on the device 'meta'" if tensor.is_meta else ""
    return f"{tensor.dtype} {tuple(tensor.shape)}{layout}{device}"
