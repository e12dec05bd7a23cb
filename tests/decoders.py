"""A tiny model's two files, and pictures of every kind as its streams.

Fixtures for the modules that name them: `codec = decoders.codec` hides that of conftest.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from pixel_lists import pictures, tiny_network, tiny_preview

from mcm_fast import Codec, PixelDecoder, model_file
from mcm_fast.exact.pixels.quantize import export_pixels
from mcm_fast.training.export import put_preview

QUALITY = 61  # of the streams
# name: channels, height, width, side of the coding tiles
KINDS = {
    "gray": (1, 50, 75, 0),
    "gray-alpha": (2, 44, 31, 0),
    "rgb": (3, 44, 75, 0),
    "rgba": (4, 61, 40, 0),
    "portrait": (3, 75, 44, 0),
    "pixel": (3, 1, 1, 0),
    "tiles": (3, 150, 200, 64),
    "tiles-portrait": (4, 200, 130, 64),
    "tiles-gray": (1, 70, 333, 64),
}


def write_model(folder: Path) -> Path:
    """`tiny.safetensors`, whose path comes back, and `tiny.decoder.safetensors` beside it: a
    faithful rendering, and another of the same weights but one."""
    path = folder / "tiny.safetensors"
    network = tiny_network()
    integers = model_file.save(network, path)
    other = tiny_network().synthesis
    other.conv.weight[0] *= 0.5
    renderings = {"faithful": network.synthesis, "other": other}
    put_preview(path, tiny_preview(), path)
    export_pixels(network, integers, renderings, pictures(), decoder_of(path), tiny_preview())
    return path


def decoder_of(model: Path) -> Path:
    return model.with_suffix(".decoder.safetensors")


def picture(kind: str) -> tuple[torch.Tensor, int]:
    """uint8 (C, H, W), smooth with some noise, and the side of its tiles."""
    channels, height, width, tiles = KINDS[kind]
    generator = torch.Generator().manual_seed(len(kind))
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    waves = [torch.sin(rows / (5 + i)) * torch.cos(columns / 9) for i in range(channels)]
    noise = 25 * torch.rand(channels, height, width, generator=generator)
    return (127 + 90 * torch.stack(waves) + noise).clamp(0, 255).to(torch.uint8), tiles


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return write_model(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def codec(model) -> Codec:
    return Codec.from_file(model)


@pytest.fixture(scope="module")
def decoder(model) -> PixelDecoder:
    return PixelDecoder(decoder_of(model), threads=2)


@pytest.fixture(scope="module")
def streams(codec) -> dict[str, bytes]:
    """A stream of each kind."""

    def made(kind):
        image, tiles = picture(kind)
        return codec.compress(image, QUALITY, tiles=tiles)

    return {kind: made(kind) for kind in KINDS}
