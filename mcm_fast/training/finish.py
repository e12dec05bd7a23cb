"""The last phase for the entropy model alone, on cached features: minutes on a CPU.

With the transforms frozen, what `analysis` makes of every training image is computed once. Then
the hyperprior and the context model are trained on what they see in use, rounded latents, first
in floating point and then, every feature scaled to int8's range, as the integers they become.

    python -m mcm_fast.training.finish WEIGHTS OUT DATA... --steps 3000

writes OUT/float.safetensors (after the first part), OUT/equalized.safetensors (the same function,
ready to be rounded as it is) and OUT/weights.safetensors (after the second part).
"""

from __future__ import annotations

import logging
import math
import time
from pathlib import Path
from typing import Annotated

import torch
import typer
from safetensors.torch import save_file
from torch import Tensor

from ..network import distribution
from ..network.config import Config
from ..network.gain import interpolate
from ..network.model import Network
from . import checkpoint, data
from .config import Options
from .equalize import equalize

log = logging.getLogger(__name__)

PROBES = 16  # images whose pixels say what a latent's error costs
_FROZEN = ("analysis.", "synthesis.", "gain.", "inverse_gain.")


@torch.no_grad()
def cache_features(network: Network, tiles: Tensor) -> Tensor:
    """uint8 tiles (N, 3, S, S), S a multiple of 64 -> what analysis makes of them, fp16."""
    parts = tiles.split(16)
    return torch.cat([network.analysis(part.float() / 255).half() for part in parts])


def finish(
    weights: Annotated[Path, typer.Argument(help="Float weights of a finished run.")],
    out: Annotated[Path, typer.Argument(help="Where the results go.")],
    sources: Annotated[list[Path], typer.Argument(help="Folders of images or of tar shards.")],
    steps: Annotated[int, typer.Option(help="In all.")] = 3000,
    quantized: Annotated[float, typer.Option(help="The share of steps as integers.")] = 0.5,
    batch: int = 8,
    lr: float = 3e-4,
    seed: int = 0,
    tile: int = 320,
) -> None:
    """Train the entropy model of finished transforms on rounded latents."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    network = checkpoint.load_weights(weights)
    tiles = data.load(Options(data=tuple(sources), steps=1, tile=tile, crop=64, batch=1))
    features = cache_features(network.eval(), tiles.train)
    held_out = cache_features(network, tiles.held_out)
    log.info("features of %d tiles", len(features))
    first = steps - int(steps * quantized)
    network.hard = True
    price = price_of_errors(network, features[:PROBES].float())
    _train(network, price, features, held_out, range(first), lr, batch)
    save(network, out / "float.safetensors")
    equalize(network, features[:64].float())
    save(network, out / "equalized.safetensors")
    network.quantize()
    _train(network, price, features, held_out, range(first, steps), lr / 2, batch)
    save(network, out / "weights.safetensors")


def _train(
    network: Network,
    price: Tensor,
    features: Tensor,
    held_out: Tensor,
    steps: range,
    lr: float,
    batch: int,
) -> None:
    """One part: the rate falls linearly to a hundredth of lr over its steps."""
    for name, p in network.named_parameters():
        p.requires_grad_(not name.startswith(_FROZEN))
    optimizer = torch.optim.Adam([p for p in network.parameters() if p.requires_grad], lr)
    config, started, total = network.config, time.monotonic(), 0.0
    network.train()
    for step in steps:
        done = (step - steps.start) / len(steps)
        optimizer.param_groups[0]["lr"] = lr * max(0.01, 1 - done) * min(1.0, 0.01 + done * 20)
        chosen = torch.randint(len(features), (batch,))
        level = levels_of(config, batch)
        optimizer.zero_grad()
        loss = _loss(network, price, features[chosen].float(), level)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        total += loss.item()
        if (step + 1) % 100 == 0:
            log.info("step %d %.0fs loss %.4f", step + 1, time.monotonic() - started, total / 100)
            total = 0.0
        if (step + 1) % 500 == 0 or step + 1 == steps.stop:
            log.info("held out %s", _held_out(network, held_out))


def price_of_errors(network: Network, features: Tensor) -> Tensor:
    """What a squared error of a latent costs, in bits, by level and channel: (L, M).

    Where E squares of pixels' errors come from it, lambda E / 3: a slope of the synthesis, by
    random weights of its pixels (Hutchinson's estimate of the diagonal of J^T J). Without a price
    mu says nothing of channels that are always zero, whose steps are the largest: their bits are
    none, wherever mu is. It cost half a decibel at the lowest quality.
    """
    config, rows = network.config, []
    for n in range(config.levels):
        level = torch.full((len(features),), float(n))
        with torch.no_grad():
            y_hat, z = network.latents(features, level)
            hyper = network.hyper_synthesis(z, level)
        nothing = torch.zeros_like(y_hat).requires_grad_()
        shown = network.synthesis(network.inverse_gain(y_hat + nothing, level), hyper)
        (slope,) = torch.autograd.grad((shown * torch.randn_like(shown)).sum(), nothing)
        rows.append(config.lmbda(n) / 3 * slope.square().mean((0, 2, 3)))
    return torch.stack(rows)


def cost_of_errors(price: Tensor, errors: Tensor, level: Tensor) -> Tensor:
    """What errors (N, M, h, w) of latents cost in bits: (N,)."""
    return (errors.square() * interpolate(price, level)[:, :, None, None]).sum((1, 2, 3))


def levels_of(config: Config, batch: int) -> Tensor:
    """A level from each part of the range, a quarter of them whole: (batch,)."""
    level = (torch.arange(batch) + torch.rand(batch)) / batch * (config.levels - 1)
    return torch.where(torch.rand(batch) < 0.25, level.round(), level)


def weight_of(config: Config, level: Tensor) -> Tensor:
    """lambda ** -0.5, with 1 in the middle of the range."""
    log_range = math.log(config.lambda_max / config.lambda_min)
    return (-0.5 * log_range * (level / (config.levels - 1) - 0.5)).exp()


def _loss(network: Network, price: Tensor, features: Tensor, level: Tensor) -> Tensor:
    """Bits a pixel and what errors cost, weighted by lambda ** -0.5 as in `losses`."""
    coded = network.entropy(features, level)
    mean = distribution.conditional_mean(coded.y_hat, coded.mu, coded.index)
    errors = cost_of_errors(price, mean - network.gain(features, level), level)
    pixels = 256 * features.shape[-2] * features.shape[-1]
    cost = coded.y_bits + coded.z_bits + errors
    return (weight_of(network.config, level) * cost).mean() / pixels


@torch.no_grad()
def _held_out(network: Network, features: Tensor) -> str:
    network.eval()
    rates = []
    for level in range(network.config.levels):
        coded = network.entropy(features.float(), torch.full((len(features),), float(level)))
        bits = (coded.y_bits + coded.z_bits).mean().item()
        rates.append(f"{bits / (256 * features.shape[-2] * features.shape[-1]):.4f}")
    network.train()
    return "bpp " + " ".join(rates)


def save(network: Network, path: Path) -> None:
    """Float weights, as a run leaves them."""
    state = {name: t.detach().contiguous() for name, t in network.state_dict().items()}
    save_file(state, path, {"config": network.config.to_json()})


if __name__ == "__main__":
    typer.run(finish)
