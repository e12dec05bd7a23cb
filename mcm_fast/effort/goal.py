"""What the search makes small:  J = bits / pixels + lambda D

D is the mean squared error of pixels in [0, 1], each weighted by the importance of its place, or
0.02 (1 - MS-SSIM): between neighbouring qualities of `small` on Kodak the mean squared error moves
0.016 to 0.023 times as much as MS-SSIM does, so a quality keeps about its rate. lambda is 0.75 of
what the model was trained with at the quality (`Config.lmbda`): about what a bit buys on the curve
of `small` at low rates, where all of it would buy too many.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import torch
from torch import Tensor

from ..inputs import is_name
from ..tensor_inputs import kind_of

OBJECTIVES = ("psnr", "ms-ssim")
LAMBDA = 0.75  # of training's
_MS_SSIM_WEIGHT = 0.02
_MS_SSIM_SIDE = 161  # five scales under a window of 11: (11 - 1) * 2^4 + 1


@dataclasses.dataclass(frozen=True)
class Goal:
    """An image as it is coded (so perhaps transposed), or a part of one."""

    image: Tensor  # float (1, 3, H, W) in [0, 1]
    weights: Tensor | None  # float (1, 1, H, W), not negative
    lmbda: float
    objective: str

    @property
    def pixels(self) -> int:
        return self.image.shape[2] * self.image.shape[3]

    def cost(self, bits: Tensor | float, decoded: Tensor) -> Tensor:
        """J of a decoded image, float (1, 3, >= H, >= W)."""
        decoded = decoded[:, :, : self.image.shape[2], : self.image.shape[3]]
        return bits / self.pixels + self.lmbda * self._distortion(decoded)

    def part(self, rows: slice, columns: slice) -> Goal:
        """The goal of a rectangle of pixels."""
        weights = self.weights
        weights = None if weights is None else weights[:, :, rows, columns]
        return dataclasses.replace(self, image=self.image[:, :, rows, columns], weights=weights)

    def _distortion(self, decoded: Tensor) -> Tensor:
        if self.objective == "ms-ssim":
            similarity = ms_ssim()(decoded, self.image, data_range=1.0, size_average=True)
            return _MS_SSIM_WEIGHT * (1 - similarity)
        error = (decoded - self.image).square()
        return error.mean() if self.weights is None else (error * self.weights).mean()


def goal_of(
    image: Tensor, transposed: bool, lmbda: float, objective: str, importance: object
) -> Goal:
    """The goal of a whole image (3, H, W), uint8 or float in [0, 1].

    Raises ValueError for an objective or a map of importance that cannot be, ImportError without
    what the objective needs.
    """
    height, width = image.shape[1:]
    weights = check_importance(importance, height, width)
    check_objective(objective, height, width, weights is not None)
    pixels = image.float() / 255 if image.dtype == torch.uint8 else image.float()
    if transposed:
        pixels = pixels.transpose(1, 2)
        weights = None if weights is None else weights.transpose(0, 1)
    pixels = pixels[None].contiguous(memory_format=torch.channels_last)
    weights = None if weights is None else weights.to(pixels.device)[None, None]
    return Goal(pixels, weights, lmbda, objective)


def check_importance(importance: object, height: int, width: int) -> Tensor | None:
    """A map of importance as floats (H, W). Raises ValueError for anything that is none."""
    if importance is None:
        return None
    try:
        weights = torch.as_tensor(importance).detach().float()
        if weights.is_nested or weights.is_meta or weights.layout != torch.strided:
            raise ValueError("it is no dense tensor")
    except (TypeError, ValueError, RuntimeError) as error:
        kind = kind_of(importance)
        raise ValueError(f"importance is a map (H, W) of numbers, not {kind}") from error
    if tuple(weights.shape) != (height, width):
        shape = tuple(weights.shape)
        raise ValueError(f"importance is {shape}, not the image's ({height}, {width})")
    low, high = weights.aminmax()
    if not (low >= 0 and high < math.inf):
        raise ValueError(f"importance is finite and not negative; this map has {low:g} .. {high:g}")
    return weights


def check_objective(objective: str, height: int, width: int, weighted: bool) -> None:
    """Raises ValueError for an objective that there is not, or not for such an image."""
    if not is_name(objective, OBJECTIVES):
        raise ValueError(f"unknown objective {objective!r}: there are {', '.join(OBJECTIVES)}")
    if objective == "ms-ssim":
        if weighted:
            raise ValueError("importance weighs squared error: objective 'ms-ssim' has none")
        if min(height, width) < _MS_SSIM_SIDE:
            size = f"{width}x{height}"
            raise ValueError(f"objective 'ms-ssim' needs sides of {_MS_SSIM_SIDE}, not {size}")
        ms_ssim()


def ms_ssim() -> Callable[..., Tensor]:
    try:
        from pytorch_msssim import ms_ssim
    except ImportError as error:
        raise ImportError(
            "objective 'ms-ssim' needs pytorch-msssim: pip install mcm-fast[train]"
        ) from error
    return ms_ssim
