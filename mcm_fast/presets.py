"""Named sizes and where their weights are."""

from __future__ import annotations

from pathlib import Path

from .inputs import is_name
from .network.config import Config, Stage

WEIGHTS = Path(__file__).parent / "weights"
FAITHFUL = "faithful"  # the rendering that every model has

CONFIGS = {
    config.name: config
    for config in (
        # For tests: every part of the network at the least cost.
        Config(
            name="tiny",
            stages=(Stage(4, 16, 1), Stage(2, 24, 1), Stage(2, 32, 1)),
            latent=16,
            hyper_latent=8,
            hyper_widths=(8, 8, 8),
            context=(4, 4, 4),
            previous=4,
            hidden=8,
        ),
        # Runs and trains on a CPU: about 31 kMAC a pixel for analysis and synthesis.
        Config(
            name="small",
            stages=(Stage(4, 64, 1), Stage(2, 112, 1), Stage(2, 192, 2)),
            latent=192,
            hyper_latent=64,
            hyper_widths=(64, 64, 96),
            context=(32, 24, 24),
            previous=48,
            hidden=96,
        ),
        # The paper's scale, for a GPU.
        Config(
            name="base",
            stages=(Stage(2, 64, 1), Stage(2, 128, 1), Stage(2, 192, 1), Stage(2, 256, 1)),
            latent=320,
            hyper_latent=128,
            hyper_widths=(96, 96, 192),
            context=(64, 48, 32),
            previous=64,
            hidden=128,
        ),
    )
}


def config_of(name: str) -> Config:
    """The configuration of a preset. Raises ValueError for an unknown name."""
    if not is_name(name, CONFIGS):
        raise ValueError(f"unknown model {name!r}: there are {', '.join(CONFIGS)}")
    return CONFIGS[name]
