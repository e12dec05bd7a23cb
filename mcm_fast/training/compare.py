"""What runs have won: BD-rate against a model, on the crops that no run has seen.

    python -m mcm_fast.training.compare MODEL DATA --weights RUN/weights.safetensors ...

prints, for each of the weights, BD-rate over all levels and over three parts of the range: between
MODEL's levels 0, 2, 5 and the top. Rates are the network's own estimate and pixels are of 8 bits,
with everything rounded as in use. Without that rounding the same comparison misleads by 1 to 5 %:
what was trained with it is not measured without.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer
from torch import Tensor

from ..evaluation.bd_rate import Curve, bd_rate
from ..network.model import Network
from . import checkpoint, data
from .config import Options

_PARTS = (0, 2, 5, -1)  # levels that part the range


@torch.no_grad()
def curve_of(network: Network, tiles: Tensor) -> Curve:
    """Mean bits a pixel and mean PSNR at every level, of uint8 tiles (N, 3, S, S), S by 64."""
    network.eval().quantize()
    bpp, psnr = [], []
    for n in range(network.config.levels):
        rates, decibels = [], []
        for part in tiles.split(4):
            image, level = part.float() / 255, torch.full((len(part),), float(n))
            out = network(image, level)
            shown = (out.image.clamp(0, 1) * 255).round() / 255
            error = (shown - image).square().mean((1, 2, 3)).clamp(min=1e-9)
            decibels.append(-10 * error.log10())
            rates.append((out.y_bits + out.z_bits) / image[0, 0].numel())
        bpp.append(torch.cat(rates).mean().item())
        psnr.append(torch.cat(decibels).mean().item())
    return {"bpp": bpp, "psnr": psnr}


def parts_of(anchor: Curve, test: Curve) -> list[float | None]:
    """BD-rate in percent: over all, and over each part of the anchor's range."""
    corners = [anchor["psnr"][n] for n in _PARTS]
    parts = zip(corners[:-1], corners[1:], strict=True)
    found = [bd_rate(anchor, test), *(bd_rate(anchor, test, part) for part in parts)]
    return [None if bd is None else bd.percent for bd in found]


def compare(
    model: Annotated[Path, typer.Argument(help="A model's file, or weights.")],
    sources: Annotated[list[Path], typer.Argument(help="Folders of images or of tar shards.")],
    weights: Annotated[list[Path], typer.Option(help="What is compared with it.")],
    crops: Annotated[int, typer.Option(help="Of those held out, at most.")] = 24,
    tile: int = 320,
) -> None:
    """BD-rate of weights against a model, on held-out crops."""
    options = Options(data=tuple(sources), steps=1, tile=tile, crop=64, batch=1)
    tiles = data.load(options).held_out[:crops]
    anchor = curve_of(checkpoint.load_weights(model), tiles)
    print("| weights | all | low | middle | high |\n|---|---:|---:|---:|---:|")
    for path in weights:
        found = parts_of(anchor, curve_of(checkpoint.load_weights(path), tiles))
        cells = ["-" if value is None else f"{value:+.2f} %" for value in found]
        print(f"| {path} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    typer.run(compare)
