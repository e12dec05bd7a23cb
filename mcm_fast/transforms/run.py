"""The two transforms over whole images, one tile after another (see `tiles`)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from ..coding_tiles import BLOCK, Tile
from ..exact.cuda.graphs import has_graphs
from ..latents import Painted, grid
from ..network.blocks import pad_edges
from ..network.config import Config
from ..network.model import Network
from ..network.preview import REACH, Preview
from ..network.transforms import Down, Synthesis, Through, Up, at_once
from .graphs import Replays
from .tiles import (
    Span,
    analysis_reach,
    cover,
    stage_reach,
    synthesis_margins,
    synthesis_reach,
)
from .weights import LAYOUT

# Samples of a stage that are computed at once on a CPU. What is larger, malloc takes from the
# system anew each time (32 MiB), and touching new pages costs a quarter of the decoder's time.
PIECE = 7 * 2**20

Render = Callable[[Tensor, Tensor], Tensor]  # what a synthesis is to `Network.render`


@torch.no_grad()
def analysis(
    network: Network, image: Tensor, transposed: bool, tile_pixels: int, device: torch.device
) -> Tensor:
    """Image (3, H, W), uint8 or float in [0, 1] -> features (1, M, h, w) before the gain unit."""
    size = grid(image.shape[2], image.shape[1], transposed)
    image = image.transpose(1, 2) if transposed else image
    features = torch.empty(1, network.config.latent, *size, device=device)
    reach = analysis_reach(network.config)
    for rows, columns in cover(*size, tile_pixels // BLOCK**2, reach):
        pixels = image[None, :, rows.seen(BLOCK), columns.seen(BLOCK)]
        pixels = _as_input(pixels.to(device, memory_format=LAYOUT))
        tile = network.analysis(pixels, _through(network.config, device))
        kept = tile[:, :, rows.inner(), columns.inner()]
        features[:, :, rows.kept(), columns.kept()] = kept
    return features


def _as_input(pixels: Tensor) -> Tensor:
    """Pixels (1, 3, H, W) as the network takes them: float in [0, 1], in whole blocks."""
    height, width = pixels.shape[2:]
    pixels = pixels.float() / 255 if pixels.dtype == torch.uint8 else pixels.float()
    return pad_edges(pixels, 0, -width % BLOCK, 0, -height % BLOCK)


@torch.no_grad()
def synthesis(
    network: Network,
    rendering: Synthesis,
    painted: Painted,
    level: Tensor,
    tile_pixels: int,
    replays: Replays | None = None,
) -> Tensor:
    """Latents and what the entropy model says of them -> a box of the image, uint8 (3, H, W), on
    `level`'s device. `replays`: for shapes that come again."""
    left, top, right, bottom = painted.box.turned(painted.transposed)
    size = bottom - top, right - left
    image = torch.empty(3, *size, dtype=torch.uint8, device=level.device)
    canvas = image.transpose(1, 2) if painted.transposed else image
    parameters = painted.parameters
    tensors = painted.y, parameters.mu, parameters.indexes, parameters.hyper
    reach = synthesis_reach(network.config)
    in_pieces = _through(network.config, level.device)
    spans = cover(*painted.y.shape[1:], tile_pixels // BLOCK**2, reach, painted.box.latents())
    replays = Replays() if replays is None else replays
    weights = rendering.conv.weight.data_ptr(), network.inverse_gain.log_gain.data_ptr()
    for rows, columns in spans:
        parts = (t[None, :, rows.seen(), columns.seen()] for t in tensors)

        def paint(*parts: Tensor, rows: Span = rows, columns: Span = columns) -> Tensor:
            narrowing = Narrowing(in_pieces, network.config, rows, columns)
            run = partial(rendering, through=narrowing)
            pixels = narrowing.inner(_rendered(network, run, parts))
            return _levels(pixels).to(torch.uint8) if has_graphs(level.device) else pixels

        beside = Narrowing(in_pieces, network.config, rows, columns).margins
        key = network, rendering, weights, *beside
        pixels = replays.paint(paint, (*parts, level), key)
        _place(pixels, canvas, rows, columns, painted.box)
    return image


def _rendered(network: Network, run: Render, parts: tuple[Tensor, ...]) -> Tensor:
    """y, mu, indexes and hyper as they are decoded, (1, channels, h, w) each, and the level, on
    whose device -> pixels (3, H, W), not rounded."""
    *integers, level = parts
    floats = (t.to(level.device, torch.float32, memory_format=LAYOUT) for t in integers)
    y, mu, index, hyper = floats
    return network.render(y, mu / 16, index, hyper / 16, level, run)[0]


@torch.no_grad()
def preview(
    network: Network, head: Preview, scale: int, painted: Painted, level: Tensor, tile_pixels: int
) -> Tensor:
    """y -> a box of the image at 1/scale, uint8 (3, H, W), on `level`'s device. The box counts in
    pixels of the whole size; nothing is asked of the entropy model."""
    box, block = painted.box.divided(scale), BLOCK // scale
    left, top, right, bottom = box.turned(painted.transposed)
    image = torch.empty(3, bottom - top, right - left, dtype=torch.uint8, device=level.device)
    canvas = image.transpose(1, 2) if painted.transposed else image
    area, wanted = tile_pixels // BLOCK**2, painted.box.latents()
    for rows, columns in cover(*painted.y.shape[1:], area, REACH, wanted):
        y = painted.y[None, :, rows.seen(), columns.seen()]
        y = y.to(level.device, torch.float32, memory_format=LAYOUT)
        pixels = head(network.inverse_gain(y, level), scale)[0]
        kept = pixels[:, rows.inner(block), columns.inner(block)]
        _place(kept, canvas, rows, columns, box, block)
    return image


def _place(
    pixels: Tensor, canvas: Tensor, rows: Span, columns: Span, box: Tile, block: int = BLOCK
) -> None:
    """What a tile answers for of the box, as levels: whole blocks reach beyond it."""
    top, left = rows.first * block - box.top, columns.first * block - box.left
    pixels = pixels[:, max(0, -top) :, max(0, -left) :]
    target = canvas[:, max(0, top) :, max(0, left) :]
    height, width = (min(a, b) for a, b in zip(pixels.shape[1:], target.shape[1:], strict=True))
    pixels = pixels[:, :height, :width]
    pixels = pixels if pixels.dtype == torch.uint8 else _levels(pixels)
    target[:, :height, :width].copy_(pixels)


def _levels(pixels: Tensor) -> Tensor:
    """Still floats: what copies them converts them."""
    return pixels.float().mul_(255).round_().clamp_(0, 255)


class Narrowing:
    """Runs the stages of a synthesis, of which a part is kept: before each it lets go of what the
    later ones do not see. Most work is done at the end, where they see little."""

    def __init__(self, through: Through, config: Config, rows: Span, columns: Span) -> None:
        self.through = through
        self.margins = [rows.first - rows.start, rows.end - rows.last]
        self.margins += [columns.first - columns.start, columns.end - columns.last]
        self.needs = iter(synthesis_margins(config))

    def __call__(self, stage: Down | Up, x: Tensor) -> Tensor:
        need = next(self.needs)
        kept = [min(margin, need) for margin in self.margins]
        top, bottom, left, right = (a - b for a, b in zip(self.margins, kept, strict=True))
        x = x[:, :, top : x.shape[2] - bottom, left : x.shape[3] - right]
        self.margins = [margin * stage.factor for margin in kept]
        return self.through(stage, x)

    def inner(self, x: Tensor) -> Tensor:
        """The part that is kept of what came out, (..., H, W)."""
        top, bottom, left, right = self.margins
        return x[..., top : x.shape[-2] - bottom, left : x.shape[-1] - right]


def _through(config: Config, device: torch.device) -> Through:
    """How a stage is run on a device: on a CPU a big one is cut into tiles of its own, which
    overlap far less than those of a whole transform."""
    if device.type != "cpu":
        return at_once

    def in_pieces(stage: Down | Up, x: Tensor) -> Tensor:
        down, conv = isinstance(stage, Down), stage.conv
        before, after = (stage.factor, 1) if down else (1, stage.factor)
        area = PIECE // (conv.out_channels if down else conv.in_channels)
        height, width = (side // before for side in x.shape[2:])
        tiles = cover(height, width, area, stage_reach(len(stage.blocks), config, down))
        if len(tiles) == 1:
            return stage(x)
        shape = len(x), conv.out_channels // after**2, height * after, width * after
        out = torch.empty(shape, dtype=x.dtype, memory_format=LAYOUT)
        for rows, columns in tiles:
            piece = stage(x[:, :, rows.seen(before), columns.seen(before)])
            kept = piece[:, :, rows.inner(after), columns.inner(after)]
            out[:, :, rows.kept(after), columns.kept(after)] = kept
        return out

    return in_pieces
