"""A fast rendering for a finished model, learnt from its faithful one: an hour for `small`.

What the faithful synthesis paints is the target, not the photograph: it is close to the mean of all
photographs with these latents, so detail that no decoder can know adds no noise to the gradients.
Latents and their pictures are made once, at two levels a tile, and held in memory: 1.7 MB for a
tile of 320 pixels, 8 GB for 4,784 tiles. A run that is stopped begins anew.

    python -m mcm_fast.training.fast MODEL OUT DATA... --steps 24000

writes OUT, which is MODEL with the rendering `fast` (`network.fast`): other tensors, the id and
streams stay as they are.
"""

from __future__ import annotations

import copy
import logging
import time
from pathlib import Path
from typing import Annotated, NamedTuple

import torch
import typer
from torch import Tensor, nn

from ..latents import BLOCK
from ..network import distribution
from ..network.config import Config
from ..network.fast import FastSynthesis
from ..network.model import Network
from . import checkpoint, data, half_gradients
from .config import Options
from .export import put_synthesis
from .finish import weight_of
from .soap import Soap

log = logging.getLogger(__name__)

NAME = "fast"
_WINDOW = 12  # latents a side of what a step sees of a tile
_SHOWN = 16  # tiles of what was held out
_CAP = 1.0  # a cost above it counts by its logarithm: text costs ten times what a photograph does
_EVERY = 2000  # steps between two looks at what was held out
_MEMORY = 0.997  # of the averaged weights


class Pairs(NamedTuple):
    """What a synthesis is given, and what the faithful one makes of it; fp16."""

    inputs: Tensor  # (N, M + F, h, w)
    painted: Tensor  # (N, 3, 16 h, 16 w)
    level: Tensor  # fp32 (N,)


def fast(
    model: Annotated[Path, typer.Argument(help="The model's file.")],
    out: Annotated[Path, typer.Argument(help="The file to write.")],
    sources: Annotated[list[Path], typer.Argument(help="Folders of images or of tar shards.")],
    steps: int = 24000,
    batch: int = 8,
    lr: float = 2e-3,
    seed: int = 0,
    tile: int = 320,
    synthetic: Annotated[float, typer.Option(help="The share of tiles made by a script.")] = 0.12,
) -> None:
    """Train a model's fast rendering."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.manual_seed(seed)
    torch.set_flush_denormal(True)
    if not checkpoint.is_model(checkpoint.read_metadata(model)):
        raise ValueError(f"{model} is no model file: export it first")
    out.parent.mkdir(parents=True, exist_ok=True)
    network = checkpoint.load_weights(model).eval().requires_grad_(False)
    network.quantize()  # everything is seen as it is in use
    options = Options(data=tuple(sources), steps=1, tile=tile, crop=64, batch=1, seed=seed,
                      synthetic=synthetic)  # fmt: skip
    tiles = data.load(options)
    pairs = pairs_of(network, tiles.train)
    log.info("%d pairs", len(pairs.level))
    network.synthesis = fit(network, pairs, tiles.held_out, steps, batch, lr)
    put_synthesis(model, network, out, NAME)


@torch.no_grad()
def pairs_of(network: Network, tiles: Tensor) -> Pairs:
    """Two pairs a tile, uint8 (N, 3, S, S), one of each half of the levels."""
    config, count = network.config, len(tiles)
    half, grid = (config.levels - 1) / 2, tiles.shape[-1] // BLOCK
    level = torch.cat([(n + torch.rand(count)) * half for n in (0, 1)])
    level = torch.where(torch.rand(2 * count) < 0.25, level.round(), level)
    channels = config.latent + config.hyper_widths[2]
    inputs = torch.empty(2 * count, channels, grid, grid, dtype=torch.half)
    painted = torch.empty(2 * count, *tiles.shape[1:], dtype=torch.half)
    for chosen in torch.arange(2 * count).split(8):
        seen = inputs_of(network, tiles[chosen % count], level[chosen])
        inputs[chosen] = seen.half()
        painted[chosen] = network.synthesis(*split_inputs(config, seen)).half()
    return Pairs(inputs, painted, level)


@torch.no_grad()
def inputs_of(network: Network, tiles: Tensor, level: Tensor) -> Tensor:
    """What a synthesis is given of uint8 tiles (N, 3, S, S), (N, M + F, h, w): y after the inverse
    gain, and hyper features."""
    coded = network.entropy(network.analysis(tiles.float() / 255), level)
    y = distribution.conditional_mean(coded.y_hat, coded.mu, coded.index)
    return torch.cat((network.inverse_gain(y, level), coded.hyper), 1)


def split_inputs(config: Config, inputs: Tensor) -> list[Tensor]:
    """y and the hyper features."""
    return list(inputs.split([config.latent, config.hyper_widths[2]], 1))


def fit(
    network: Network, pairs: Pairs, held_out: Tensor, steps: int, batch: int, lr: float
) -> FastSynthesis:
    """The average of the weights of a run of so many steps."""
    config = network.config
    synthesis = FastSynthesis(config).to(memory_format=torch.channels_last)
    average = copy.deepcopy(synthesis).requires_grad_(False)
    if half_gradients.is_fast():
        half_gradients.apply(synthesis)
    weights, averages = list(synthesis.parameters()), list(average.parameters())
    optimizer = Soap(weights, torch.tensor(lr), half=half_gradients.is_fast())
    started, total = time.monotonic(), 0.0
    for step in range(steps):
        rate = lr * max(0.003, 1 - step / steps) * min(1.0, 0.01 + step / 100)
        optimizer.param_groups[0]["lr"] = torch.tensor(rate)
        inputs, painted, counts, level = windows(pairs, batch)
        optimizer.zero_grad()
        error = (synthesis(*split_inputs(config, inputs)) - painted).square() * counts
        loss = _cost(config, error.sum((1, 2, 3)) / (3 * counts.sum((1, 2, 3))), level).mean()
        loss.backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        pace = max(1 - _MEMORY, 1 / (1 + 0.3 * step))
        torch._foreach_lerp_(averages, [p.detach() for p in weights], pace)
        total += loss.item()
        if (step + 1) % _EVERY == 0 or step + 1 == steps:
            since = time.monotonic() - started
            log.info("step %d %.0fs loss %.4f", step + 1, since, total / (step % _EVERY + 1))
            log.info("below the faithful one, dB: %s", _below(network, average, held_out[:_SHOWN]))
            total = 0.0
    return average.eval()


def windows(pairs: Pairs, batch: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Windows of pairs, inputs (N, M + F, h, w) and painted (N, 3, 16 h, 16 w); which of their
    pixels count (N, 1, 16 h, 16 w); and their levels (N,).

    The pixels of the outer latents count only where the tile ends: elsewhere most of what they see
    beyond the window are replicated edges. The next two latents see a little of them.
    """
    grid = pairs.inputs.shape[-1]
    side = min(_WINDOW, grid)
    chosen = torch.randint(len(pairs.level), (batch,))
    # Corners beyond the tile are moved into it, so that its edges come often enough.
    corners = torch.randint(-2, grid - side + 3, (batch, 2)).clamp(0, grid - side)
    inputs, painted = [], []
    counts = torch.zeros(batch, 1, side * BLOCK, side * BLOCK)
    for row, (n, (top, left)) in enumerate(zip(chosen.tolist(), corners.tolist(), strict=True)):
        rows, columns = (slice(corner, corner + side) for corner in (top, left))
        inputs.append(pairs.inputs[n, :, rows, columns])
        rows, columns = (slice(s.start * BLOCK, s.stop * BLOCK) for s in (rows, columns))
        painted.append(pairs.painted[n, :, rows, columns])
        inner = [
            slice(BLOCK * (corner > 0), BLOCK * (side - (corner + side < grid)))
            for corner in (top, left)
        ]
        counts[row, 0, inner[0], inner[1]] = 1
    seen = torch.stack(inputs).float().contiguous(memory_format=torch.channels_last)
    return seen, torch.stack(painted).float(), counts, pairs.level[chosen]


def _cost(config: Config, errors: Tensor, level: Tensor) -> Tensor:
    """Mean squared errors (N,), weighted by the square root of lambda as in `losses`, capped."""
    lmbda = torch.tensor([config.lmbda(n) for n in level.tolist()])
    cost = weight_of(config, level) * lmbda * errors
    return torch.where(cost > _CAP, _CAP * (1 + (cost / _CAP).clamp(min=1).log()), cost)


@torch.no_grad()
def _below(network: Network, synthesis: FastSynthesis, tiles: Tensor) -> str:
    """How many dB the fast rendering is below the faithful one, against these tiles, at every
    level."""
    found, image = [], tiles.float() / 255
    for n in range(network.config.levels):
        inputs = inputs_of(network, tiles, torch.full((len(tiles),), float(n)))
        parts = split_inputs(network.config, inputs)
        errors = [
            (painter(*parts).clamp(0, 1) - image).square().mean((1, 2, 3)).clamp(min=1e-9)
            for painter in (synthesis, network.synthesis)
        ]
        found.append(f"{10 * (errors[0] / errors[1]).log10().mean():.2f}")
    return " ".join(found)


if __name__ == "__main__":
    typer.run(fast)
