"""The sizes of a network, as one small value that is stored with its weights."""

from __future__ import annotations

import dataclasses
import json
import math


@dataclasses.dataclass(frozen=True)
class Stage:
    """One down (or up) sampling by `factor` to `width` channels, then `blocks` residual blocks."""

    factor: int
    width: int
    blocks: int


@dataclasses.dataclass(frozen=True)
class Config:
    """Everything that shapes a network.

    `levels` gain levels have the rate-distortion weights `lambda_min .. lambda_max` in geometric
    progression (distortion on pixels in [0, 1], rate in bits per pixel). `bottleneck` is the inner
    width of residual blocks and masks as a fraction of their outer width.
    """

    name: str
    stages: tuple[Stage, ...]
    latent: int  # M, channels of y
    hyper_latent: int  # channels of z
    hyper_widths: tuple[int, int, int]  # A, B, F: the three layers of the hyper-synthesis
    context: tuple[int, int, int]  # outputs of the 3x3, 5x5, 7x7 masked convolutions of a slice
    previous: int  # outputs of the convolution over the slices before
    hidden: int
    bottleneck: float = 0.5
    slices: int = 8
    levels: int = 8
    lambda_min: float = 65.0
    lambda_max: float = 8320.0

    def __post_init__(self) -> None:
        if math.prod(stage.factor for stage in self.stages) != 16:
            raise ValueError("the stages must reduce the image by 16 in all")
        if self.latent % self.slices:
            raise ValueError(f"{self.latent} latent channels are not {self.slices} equal slices")

    @property
    def slice_channels(self) -> int:
        return self.latent // self.slices

    def lmbda(self, level: float) -> float:
        """The rate-distortion weight at a (fractional) level in 0 .. levels - 1."""
        ratio = self.lambda_max / self.lambda_min
        return self.lambda_min * ratio ** (level / (self.levels - 1))

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Config:
        fields = json.loads(text)
        fields["stages"] = tuple(Stage(**stage) for stage in fields["stages"])
        for name in ("hyper_widths", "context"):
            fields[name] = tuple(fields[name])
        return cls(**fields)
