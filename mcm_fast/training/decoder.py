"""From a model to its decoder's file: the integers of the entropy model and of every rendering."""

from __future__ import annotations

from pathlib import Path

from .. import model_file
from ..exact.pixels.quantize import export_pixels
from ..exact.pixels.rendering import Rendering
from ..files import write_with
from ..presets import FAITHFUL

IMAGES = 48  # training images that the scales are chosen by


def export_decoder(
    model: Path, path: Path, sources: tuple[Path, ...], images: int = IMAGES
) -> dict[str, Rendering]:
    """Write the decoder's file of a model; its integers and its id stay the model's.

    Args:
        sources: folders of images or tar shards; the scales fit the first `images` of them.

    Returns the renderings by name. Raises ValueError when a bound does not hold, OSError.
    """
    from . import data
    from .config import Options

    network, integers, others, preview = model_file.load(model)
    tiles = data.load(Options(data=sources, steps=1, batch=1)).train[:images]
    height, width = (side // 64 * 64 for side in tiles.shape[2:])
    tiles = list(tiles[:, :, :height, :width])
    found: dict[str, Rendering] = {}

    def write(part: Path) -> None:
        renderings = {FAITHFUL: network.synthesis, **others}
        found.update(export_pixels(network, integers, renderings, tiles, part, preview))

    write_with(path, write)
    return found
