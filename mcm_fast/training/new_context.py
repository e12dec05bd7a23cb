"""A new context model for finished transforms, on cached features: hours of one core for `small`.

The channels of y are dealt out over the slices (`deal`), and a context model of the sizes that the
preset has now learns from nothing, on rounded latents, what comes where: bits, and what the error
of a bin's mean costs in the picture, in bits too. Without the latter mu says nothing of channels
that are always zero, whose steps are the largest, and the lowest quality loses half a decibel.

    python -m mcm_fast.training.new_context MODEL OUT DATA... --steps 20000 --state RUN.pt

writes OUT. Transforms, hyperprior, renderings and previews are MODEL's, in the new order of
channels: the same pictures at other rates. The id is another one. Where MODEL is a run's weights,
OUT is weights, which start a run of everything. With `--keep` the context model and the order that
MODEL has are where training begins. A run that was stopped goes on from its state.
"""

from __future__ import annotations

import copy
import dataclasses
import logging
import time
from pathlib import Path
from typing import Annotated, NamedTuple

import torch
import typer
from torch import Tensor, nn

from .. import model_file
from ..files import write_with
from ..network import distribution
from ..network.context import MultiChannelContext
from ..network.model import Network
from ..presets import config_of
from . import data, half_gradients, pca
from .checkpoint import is_model, load_weights, read_metadata
from .config import Options
from .deal import deal, deal_synthesis, dealt
from .equalize import equalize
from .export import count, put_preview, put_synthesis
from .finish import (
    PROBES,
    cache_features,
    cost_of_errors,
    levels_of,
    price_of_errors,
    save,
    weight_of,
)
from .soap import Soap

log = logging.getLogger(__name__)

_SEEN = 200  # images that the first distributions are made from
_EVERY = 500  # steps between two looks at what was held out, and between two states
_MEMORY = 0.995  # of the averaged weights


class Known(NamedTuple):
    """What a context model is given, and what it is to say."""

    y: Tensor  # (N, M, h, w)
    y_hat: Tensor  # the same, rounded
    hyper: Tensor  # (N, F, h, w)
    z_bits: Tensor  # (N,)


def new_context(
    model: Annotated[Path, typer.Argument(help="A model's file, or a run's weights.")],
    out: Annotated[Path, typer.Argument(help="The file to write.")],
    sources: Annotated[list[Path], typer.Argument(help="Folders of images or of tar shards.")],
    steps: Annotated[int, typer.Option(help="In all.")] = 20000,
    state: Annotated[Path | None, typer.Option(help="Where a stopped run goes on.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Go on with the one that it has.")] = False,
    batch: int = 8,
    lr: float = 1e-3,
    seed: int = 0,
    tile: int = 320,
    images: Annotated[int, typer.Option(help="What the tables are fitted to.")] = 800,
) -> None:
    """Train the context model of finished transforms anew."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.manual_seed(seed)
    old = load_weights(model).eval()
    tiles = data.load(Options(data=tuple(sources), steps=1, tile=tile, crop=64, batch=1))
    order = torch.arange(old.config.latent) if keep else dealt(old.config)
    features, held_out = (cache_features(old, t)[:, order] for t in tiles)
    log.info("features of %d tiles", len(features))
    network = old if keep else started(old, features[:_SEEN].float())
    network.requires_grad_(False).eval()
    network.context.requires_grad_(True)
    network.quantize()  # the hyper-synthesis is seen as it is in use
    network.quantize(False, network.context)
    price = price_of_errors(network, features[:PROBES].float())
    _train(network, price, features, held_out, steps, lr, batch, state)
    equalize(network, features[:64].float(), hyper=False)
    if is_model(read_metadata(model)):
        write(model_file.load(model), network, out, tiles.train[:images], order)
    else:
        save(network, out)


def started(network: Network, features: Tensor) -> Network:
    """The network with its channels dealt out, and a new context model of the preset's sizes.

    features: what its analysis makes of some images, dealt out already, (N, M, h, w).
    """
    preset = config_of(network.config.name)
    sizes = {name: getattr(preset, name) for name in ("context", "previous", "hidden")}
    new = deal(network, dataclasses.replace(network.config, **sizes))
    pca.start_context(new, features.std((0, 2, 3)).clamp(min=1e-3))
    return new


@torch.no_grad()
def known(network: Network, features: Tensor, level: Tensor) -> Known:
    y_hat, z = network.latents(features, level)
    z_bits = network.prior.bits(z, level).sum((1, 2, 3))
    return Known(network.gain(features, level), y_hat, network.hyper_synthesis(z, level), z_bits)


def costs_of(
    context: MultiChannelContext, price: Tensor, given: Known, level: Tensor
) -> tuple[Tensor, Tensor]:
    """The bits of y, and what the errors of y cost in bits, (N,) each."""
    mu, index = context(given.y_hat, given.hyper, level)
    errors = distribution.conditional_mean(given.y_hat, mu, index) - given.y
    bits = distribution.bits(given.y_hat, mu, index).sum((1, 2, 3))
    return bits, cost_of_errors(price, errors, level)


def _train(
    network: Network,
    price: Tensor,
    features: Tensor,
    held_out: Tensor,
    steps: int,
    lr: float,
    batch: int,
    state: Path | None,
) -> None:
    """Leaves the average of the weights in the network."""
    parameters, average = list(network.context.parameters()), copy.deepcopy(network.context)
    averages = list(average.requires_grad_(False).parameters())
    optimizer = Soap(parameters, torch.tensor(lr), half=half_gradients.is_fast())
    begin = 0
    if state is not None and state.exists():
        saved = torch.load(state, weights_only=True)
        network.context.load_state_dict(saved["context"])
        average.load_state_dict(saved["average"])
        optimizer.load_state_dict(saved["optimizer"])
        begin = saved["step"]
        log.info("goes on at step %d", begin)
    pixels = 256 * features.shape[-2] * features.shape[-1]
    started, total = time.monotonic(), 0.0
    for step in range(begin, steps):
        rate = lr * max(0.003, 1 - step / steps) * min(1.0, 0.01 + step / 200)
        optimizer.param_groups[0]["lr"] = torch.tensor(rate)
        chosen, level = torch.randint(len(features), (batch,)), levels_of(network.config, batch)
        given = known(network, features[chosen].float(), level)
        optimizer.zero_grad()
        cost = sum(costs_of(network.context, price, given, level))
        loss = (weight_of(network.config, level) * cost).mean() / pixels
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        torch._foreach_lerp_(averages, [p.detach() for p in parameters], 1 - _memory(step))
        total += loss.item()
        if (step + 1) % _EVERY == 0 or step + 1 == steps:
            since = time.monotonic() - started
            log.info("step %d %.0fs loss %.4f", step + 1, since, total / _EVERY)
            log.info("held out %s", _held_out(network, average, price, held_out))
            total = 0.0
            if state is not None:
                saved = {"context": network.context.state_dict(), "step": step + 1}
                saved |= {"average": average.state_dict(), "optimizer": optimizer.state_dict()}
                write_with(state, lambda part, saved=saved: torch.save(saved, part))
    network.context.load_state_dict(average.state_dict())


def _memory(step: int) -> float:
    """Of the average: short at first."""
    return min(_MEMORY, 1 - 9 / (10 + step))


@torch.no_grad()
def _held_out(
    network: Network, context: MultiChannelContext, price: Tensor, features: Tensor
) -> str:
    """Bits a pixel, of z too, and what errors cost, at every level."""
    pixels, found = 256 * features.shape[-2] * features.shape[-1], []
    for n in range(network.config.levels):
        level = torch.full((len(features),), float(n))
        given = known(network, features.float(), level)
        bits, errors = costs_of(context, price, given, level)
        parts = ((bits + given.z_bits).mean(), errors.mean())
        found.append("+".join(f"{part / pixels:.4f}" for part in parts))
    return "bpp " + " ".join(found)


def write(
    old: model_file.Model, network: Network, path: Path, tiles: Tensor, order: Tensor
) -> None:
    """The model file of the network, with the old model's renderings and previews in the new order
    of channels; its tables fit the symbols of these tiles."""
    model_file.save(network, path, count(network, tiles), compact=True)
    for name, rendering in old.renderings.items():
        deal_synthesis(rendering, order)
        network.synthesis = rendering
        put_synthesis(path, network, path, name)
    if old.preview is not None:
        first = old.preview.first.weight
        first.copy_(first[:, order])
        put_preview(path, old.preview, path)


if __name__ == "__main__":
    typer.run(new_context)
