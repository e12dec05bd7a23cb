"""What a training run is made of, and recipes for the paper's two steps."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

OPTIMIZERS = ("adam", "soap")
PARTS = ("all", "synthesis")


@dataclasses.dataclass(frozen=True)
class Options:
    """One run. Lengths of time are minutes of wall clock, the loop's start-up included."""

    preset: str = "small"
    data: tuple[Path, ...] = ()  # folders of images, folders of tar shards, or tar files
    out: Path = Path("runs/small")
    device: str = "cpu"
    seed: int = 0

    # The loss: lambda (MSE + alpha LPIPS + beta (1 - MS-SSIM) + gan D_gan) + rate (MCM, section 3).
    alpha: float = 0.0  # the paper: 0.006 .. 0.01
    beta: float = 0.0  # the paper: 0 .. 0.02; counted after warm-up
    gan: float = 0.0  # the paper's step 2: 0.001
    inverse: float = 0.0  # the weight of latents that change when the decoded crop is coded again
    cap: float = 0.0  # above it a sample's cost counts by its logarithm; 0: never
    ends_weight: float = 0.0  # the ends of the range count 1 + ends_weight times, the middle once
    lpips: Path | None = None  # the folder of LPIPS' weights
    parts: str | None = None  # what is trained, of PARTS; by default the synthesis where gan > 0

    # The data.
    crop: int = 256
    batch: int = 32  # a device
    tile: int = 320  # images are kept as tiles of this size
    whole_levels: float = 0.25  # the share of samples at exactly one of the gain levels
    ends: float = 0.0  # 0: levels are spread evenly; 1: densely at both ends of the range
    synthetic: float = 0.0  # the share of tiles that are text, line art, screens, flat or gray
    cache: Path | None = None  # a folder for decoded tiles
    held_out: int = 64  # crops at most whose loss is shown beside the training loss

    # The optimiser.
    optimizer: str = "adam"  # of OPTIMIZERS; see `soap`
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
    amp: bool | None = None  # bf16 autocast; by default on a GPU only
    half_gradients: bool | None = None  # bf16 backward; by default on a CPU that is made for it
    compile: bool | None = None  # torch.compile; by default on a GPU only
    graph: bool | None = None  # one CUDA graph a step; by default on a GPU
    read_every: int = 0  # steps between read-outs of the device's counters; 0: 100, or 10 on a CPU
    evaluate_minutes: float = 0.0  # 0: 1, or 10 on a CPU
    save_minutes: float = 5.0
    pictures: bool = False  # a PNG of held-out reconstructions with each evaluation

    def __post_init__(self) -> None:
        if self.parts is None:
            object.__setattr__(self, "parts", "synthesis" if self.gan > 0 else "all")
        if self.parts not in PARTS:
            raise ValueError(f"parts {self.parts!r} is none of {', '.join(PARTS)}")
        if self.optimizer not in OPTIMIZERS:
            raise ValueError(f"optimizer {self.optimizer!r} is none of {', '.join(OPTIMIZERS)}")
        self._check_sizes()
        self._check_schedule()

    def _check_sizes(self) -> None:
        if self.crop <= 0 or self.crop % 64:
            raise ValueError(f"crop {self.crop} is not a positive multiple of 64")
        if self.crop > self.tile:
            raise ValueError(f"crop {self.crop} is larger than tile {self.tile}")
        if self.beta > 0 and self.crop <= 160:
            raise ValueError(f"beta wants crops above 160 pixels (MS-SSIM), not {self.crop}")
        for name in ("ends", "synthetic"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is a share in 0 .. 1, not {getattr(self, name)}")
        if self.synthetic > 0.9:
            raise ValueError(f"synthetic leaves photographs a tenth at least, not {self.synthetic}")
        if self.alpha > 0 and self.lpips is None:
            raise ValueError("alpha wants lpips, the folder of LPIPS' weights")

    def _check_schedule(self) -> None:
        if (self.steps is None) == (self.minutes is None):
            raise ValueError("give either steps or minutes")
        if self.steps is None and (self.decay_steps or self.quantize_steps):
            raise ValueError("decay_steps and quantize_steps want steps")
        if self.minutes is None and (self.decay_minutes or self.quantize_minutes):
            raise ValueError("decay_minutes and quantize_minutes want minutes")


# What `--config` knows by name; a JSON file with the same keys is another. See docs/training.md.
RECIPES: dict[str, dict[str, object]] = {
    # The defaults above: `small` was trained so.
    "mse": {},
    # The paper's step 1. From nothing, or better from weights trained with MSE alone.
    "step1": {"alpha": 0.008, "beta": 0.01},
    # The paper's step 2 for the synthesis alone: a second rendering of the same streams.
    "step2": {
        "alpha": 0.008, "beta": 0.01, "gan": 0.001, "parts": "synthesis",
        "lr": 1e-4, "warmup": 200, "ema": 0.999,
    },
    # The paper's step 2 as written: everything moves, and streams with it.
    "step2-full": {
        "alpha": 0.008, "beta": 0.01, "gan": 0.001, "parts": "all",
        "lr": 1e-4, "warmup": 200, "ema": 0.999,
    },
    # `base` from nothing on one GPU.
    "base": {"preset": "base", "out": Path("runs/base"), "lr": 2e-4, "warmup": 2000, "batch": 16},
}  # fmt: skip


def recipe(name: str) -> dict[str, object]:
    """The options of a recipe, or of a JSON file. Raises ValueError, OSError."""
    if name in RECIPES:
        return dict(RECIPES[name])
    if not Path(name).is_file():
        raise ValueError(f"config {name!r} is no file and none of {', '.join(RECIPES)}")
    found = json.loads(Path(name).read_text())
    known = {field.name for field in dataclasses.fields(Options)}
    if not isinstance(found, dict) or not known.issuperset(found):
        raise ValueError(f"{name}: not a JSON object of {', '.join(sorted(known))}")
    for key in {"out", "lpips", "cache"} & found.keys():
        found[key] = Path(found[key])
    if "data" in found:
        found["data"] = tuple(map(Path, found["data"]))
    return found
