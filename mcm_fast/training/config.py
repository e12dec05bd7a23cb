"""What a training run is made of. These defaults are the ones `small` was trained with."""

from __future__ import annotations

import dataclasses
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Options:
    """One run. Lengths of time are minutes of wall clock, the loop's start-up included."""

    preset: str = "small"
    data: tuple[Path, ...] = ()  # folders of images, folders of tar shards, or tar files
    out: Path = Path("runs/small")
    device: str = "cpu"
    seed: int = 0

    # The loss: lambda (MSE + alpha LPIPS + beta (1 - MS-SSIM)) + rate (MCM, section 3).
    alpha: float = 0.0  # the paper: 0.006 .. 0.01
    beta: float = 0.0  # the paper: 0 .. 0.02, after warm-up
    lpips: Path | None = None  # the folder of LPIPS' weights

    # The data.
    crop: int = 256
    batch: int = 32  # a device
    tile: int = 320  # images are kept as tiles of this size
    whole_levels: float = 0.25  # the share of samples at exactly one of the gain levels
    held_out: int = 64  # crops at most whose loss is shown beside the training loss

    # The optimiser.
    lr: float = 4e-4
    warmup: int = 500  # steps
    clip: float = 1.0  # of the gradient's global norm
    ema: float = 0.9998

    # The schedule: either by steps or by the clock. Decay and fake quantisation come last.
    steps: int | None = None
    minutes: float | None = None
    decay_steps: int = 0
    decay_minutes: float = 0.0
    quantize_steps: int = 0
    quantize_minutes: float = 0.0

    # The machine.
    amp: bool = True  # bf16 autocast, on a GPU only
    compile: bool | None = None  # torch.compile; by default on a GPU only
    graph: bool | None = None  # one CUDA graph a step; by default on a GPU
    read_every: int = 0  # steps between read-outs of the device's counters; 0: 100, or 10 on a CPU
    evaluate_minutes: float = 0.0  # 0: 1, or 10 on a CPU
    save_minutes: float = 5.0
    pictures: bool = False  # a PNG of held-out reconstructions with each evaluation

    def __post_init__(self) -> None:
        for name in ("crop", "tile"):
            if getattr(self, name) <= 0 or self.crop % 64:
                raise ValueError(f"crop {self.crop} and tile {self.tile}: crop in whole 64s")
        if self.crop > self.tile:
            raise ValueError(f"crop {self.crop} is larger than tile {self.tile}")
        if (self.steps is None) == (self.minutes is None):
            raise ValueError("give either steps or minutes")
        if self.steps is None and (self.decay_steps or self.quantize_steps):
            raise ValueError("decay_steps and quantize_steps want steps")
        if self.minutes is None and (self.decay_minutes or self.quantize_minutes):
            raise ValueError("decay_minutes and quantize_minutes want minutes")
