"""Previews for a finished model, on cached features: minutes on a CPU.

What `analysis` makes of every training image is computed once. Then the head is fitted to the
images' means over blocks of 8 x 8, at all qualities: first its linear part by least squares, then
all of it.

    python -m mcm_fast.training.preview MODEL OUT DATA... --steps 4000

writes OUT, which is MODEL with the head: other tensors, the id and streams stay as they are.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Annotated

import torch
import torch.nn.functional as F
import typer
from torch import Tensor, nn

from ..network.blocks import pad_edges
from ..network.model import Network
from ..network.preview import Preview
from . import checkpoint, data
from .config import Options
from .export import put_preview
from .finish import cache_features

log = logging.getLogger(__name__)

_FITTED = 800  # images of the least squares
_HAIR = 1e-6  # a quarter of a level, squared: what is better than that does not count


def preview(
    model: Annotated[Path, typer.Argument(help="The model's file.")],
    out: Annotated[Path, typer.Argument(help="The file to write.")],
    sources: Annotated[list[Path], typer.Argument(help="Folders of images or of tar shards.")],
    steps: int = 4000,
    batch: int = 16,
    lr: float = 1e-3,
    seed: int = 0,
    tile: int = 320,
) -> None:
    """Train a model's previews."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.manual_seed(seed)
    torch.set_flush_denormal(True)
    network = checkpoint.load_weights(model).eval().requires_grad_(False)
    tiles = data.load(Options(data=tuple(sources), steps=1, tile=tile, crop=64, batch=1))
    features = cache_features(network, tiles.train)
    log.info("features of %d tiles", len(features))
    head = fit(network, features, tiles.train, steps, batch, lr)
    log.info("held out, dB: %s", held_out(network, head, tiles.held_out))
    put_preview(model, head, out)


def fit(
    network: Network, features: Tensor, tiles: Tensor, steps: int, batch: int, lr: float
) -> Preview:
    """A head for features (N, M, h, w) of tiles, uint8 (N, 3, 16 h, 16 w)."""
    head = Preview(network.config)
    _start(head, network, features[:_FITTED], tiles)
    head.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(head.parameters(), lr)
    started, total = time.monotonic(), 0.0
    for step in range(steps):
        done = step / steps
        optimizer.param_groups[0]["lr"] = lr * max(0.01, 1 - done) * min(1.0, 0.01 + step / 100)
        chosen = torch.randint(len(features), (batch,))
        optimizer.zero_grad()
        loss = _errors(head, _seen(network, features[chosen]), tiles[chosen]).mean()
        loss.backward()
        nn.utils.clip_grad_norm_(head.parameters(), 1.0)
        optimizer.step()
        total += loss.item()
        if (step + 1) % 200 == 0:
            log.info("step %d %.0fs %.4f", step + 1, time.monotonic() - started, total / 200)
            total = 0.0
    return head.eval().requires_grad_(False)


@torch.no_grad()
def _seen(network: Network, features: Tensor) -> Tensor:
    """Latents as a decoder has them, after the inverse gain, at qualities of the whole range."""
    n, top = len(features), network.config.levels - 1
    level = (torch.arange(n) + torch.rand(n)) / n * top
    y = network.inverse_gain((network.gain(features, level) + 0.5).floor(), level)
    return y.contiguous(memory_format=torch.channels_last)


def _errors(head: Preview, y: Tensor, tiles: Tensor) -> Tensor:
    """The logarithm of the squared error of each image (N,): decibels count, at every quality.
    That at a sixteenth counts a quarter more."""
    error = head(y) - F.avg_pool2d(tiles.float() / 255, 8)
    at_8, at_16 = (
        (part.square().mean((1, 2, 3)) + _HAIR).log() for part in (error, F.avg_pool2d(error, 2))
    )
    return at_8 + 0.25 * at_16


@torch.no_grad()
def _start(head: Preview, network: Network, features: Tensor, tiles: Tensor) -> None:
    """The first outputs of `first` become the best linear preview, which `last` hands on."""
    fitted = _least_squares(network, features, tiles)
    count, first, last = fitted.shape[1], head.first, head.last
    first.weight[:count] = fitted[:-1].T.reshape(first.weight[:count].shape)
    first.bias[:count] = fitted[-1]
    if first.weight[:count].any():  # others of the same order
        first.weight[count:] *= 2 * first.weight[:count].std() / first.weight[count:].std()
    last.weight *= 0.01
    last.bias.zero_()
    last.weight[:, :count, 1, 1] += torch.eye(count)


def _least_squares(network: Network, features: Tensor, tiles: Tensor) -> Tensor:
    """Weights [9 M + 1, 12] of 3x3 latents and of 1 for the 2 x 2 pixels' 3 colours, less 0.5."""
    size = 9 * features.shape[1] + 1
    squares, products = torch.zeros(size, size).double(), torch.zeros(size, 12).double()
    for n in range(0, len(features), 16):
        y = _seen(network, features[n : n + 16])
        rows = F.unfold(pad_edges(y, 1, 1, 1, 1), 3).transpose(1, 2).flatten(0, 1)
        rows = torch.cat((rows, torch.ones(len(rows), 1)), 1)
        wanted = F.avg_pool2d(tiles[n : n + 16].float() / 255, 8) - 0.5
        wanted = F.pixel_unshuffle(wanted, 2).flatten(2).transpose(1, 2).flatten(0, 1)
        squares += (rows.T @ rows).double()
        products += (rows.T @ wanted).double()
    ridge = 1e-4 * squares.diagonal().mean() * torch.eye(size)
    return torch.linalg.solve(squares + ridge, products).float()


@torch.no_grad()
def held_out(network: Network, head: Preview, tiles: Tensor) -> str:
    """PSNR at an eighth, mean over tiles, at qualities 0, 10 .. 100."""
    features = cache_features(network, tiles).float()
    wanted, found = F.avg_pool2d(tiles.float() / 255, 8), []
    for quality in range(0, 101, 10):
        level = torch.full((len(tiles),), quality * (network.config.levels - 1) / 100)
        y = network.inverse_gain((network.gain(features, level) + 0.5).floor(), level)
        error = (head(y).clamp(0, 1) - wanted).square().mean((1, 2, 3))
        found.append(f"{-10 * error.log10().mean():.2f}")
    return " ".join(found)


if __name__ == "__main__":
    typer.run(preview)
