"""A rendering's integers: their names, sizes, bounds and identity (FORMAT.md, "Pixels")."""

from __future__ import annotations

import numpy as np

from ...lazy import cached
from ..identity import RENDERING, identity
from .check import check
from .layers import HYPER_LIMIT, Layer

QUALITY_STEPS = 10000
TYPES = {
    "layers": np.int32,  # [layers, 8]: the fields of `Layer`
    "input": np.int32,  # [2]: limit of the latents' channels of tensor 0, hyper_shift
    "gain": np.int32,  # [levels, M]
    "exp2": np.int32,  # [4096]
    "means": np.int16,  # [indexes, distances]
    "sigmoid": np.int16,  # [4096]
}
# Of layer i, "i.<name>": weight [O, I, k, k], multiplier and bias [O], an inverse GDN's beta [O].
LAYER_TYPES = {"weight": np.int16, "multiplier": np.int32, "bias": np.int64, "beta": np.int32}


class Rendering:
    """The integer tensors of one rendering, checked.

    Args:
        tensors: by the names of `TYPES` and `LAYER_TYPES`; others are ignored.

    Raises:
        ValueError: a tensor is missing, has a wrong type or shape, or a bound does not hold.
    """

    def __init__(self, tensors: dict[str, np.ndarray]):
        self.tensors = {
            name: np.ascontiguousarray(t) for name, t in tensors.items() if _type_of(name)
        }
        for name, tensor in self.tensors.items():
            if tensor.dtype != _type_of(name):
                raise ValueError(f"{name} is {tensor.dtype}, not {np.dtype(_type_of(name))}")
        missing = [name for name in TYPES if name not in self.tensors]
        if missing:
            raise ValueError(f"the rendering has no {missing[0]}")
        if self.tensors["layers"].shape[1:] != (len(Layer._fields),):
            raise ValueError(f"layers has the shape {self.tensors['layers'].shape}, not [n, 8]")
        self.layers = [Layer(*row) for row in self.tensors["layers"].tolist()]
        self.channels, self.scales = check(self)

    @property
    def y_channels(self) -> int:
        """M, channels of y."""
        return self.tensors["gain"].shape[1]

    @property
    def hyper_channels(self) -> int:
        return self.channels[0] - self.y_channels

    @property
    def sees_y_alone(self) -> bool:
        """Whether its pixels depend on y and the quality only: hyper is empty, mu and indexes may
        be anything within their ranges."""
        return self.hyper_channels == 0 and not self.tensors["means"].any()

    @property
    def block(self) -> int:
        """Pixels a latent, along a side."""
        return 1 << self.scales[-1]

    @property
    def alignment(self) -> int:
        """Latents that a cut of the grid must be a multiple of: kernels of 2 pair neighbours."""
        return 1 << max(0, -min(self.scales))

    @cached
    def id(self) -> bytes:
        """The first 8 bytes of the SHA-256 of list and integers."""
        return identity(RENDERING, self.tensors)

    def limits(self) -> list[int]:
        """The largest magnitude in each tensor."""
        y, shift = self.tensors["input"].tolist()
        return [max(y, HYPER_LIMIT << shift), *(layer.limit for layer in self.layers)]

    def size_of(self, tensor: int, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of a tensor for latents of height x width."""
        up, down = max(0, self.scales[tensor]), max(0, -self.scales[tensor])
        return -(-(height << up) >> down), -(-(width << up) >> down)


def _type_of(name: str) -> type | None:
    number, _, part = name.partition(".")
    if number.isdecimal() and number == str(int(number)):
        return LAYER_TYPES.get(part)
    return TYPES.get(name)
