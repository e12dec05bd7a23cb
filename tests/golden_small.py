"""The golden streams of `small`: what is known of them."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from golden_pixels import digest

from mcm_fast import PixelDecoder, presets
from mcm_fast.exact.pixels.decoder_file import load_decoder

FOLDER = Path(__file__).parent / "golden" / "small"
DECODER = presets.WEIGHTS / "small.decoder.safetensors"
SCALES = 8, 16


@lru_cache(maxsize=1)
def decoder() -> PixelDecoder:
    return PixelDecoder(DECODER)


def ids_of() -> dict[str, str]:
    """The ids of the shipped renderings and previews."""
    renderings = load_decoder(DECODER).renderings
    return {name: rendering.id.hex() for name, rendering in renderings.items()}


def pixels_of(stream: bytes) -> dict[str, str]:
    """The SHA-256 of what each rendering and each preview draws."""
    names = decoder().renderings
    found = {name: digest(decoder().decompress(stream, name)) for name in names}
    previews = {f"preview{n}": digest(decoder().decompress(stream, scale=n)) for n in SCALES}
    return found | previews
