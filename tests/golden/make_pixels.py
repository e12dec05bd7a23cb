"""Made the golden pixels, once: `PYTHONPATH=tests python tests/golden/make_pixels.py`. Never run it
over those of a frozen arithmetic: a decoder that draws other pixels is wrong.

pixels.safetensors holds the integers of two renderings, that of a tiny random network and a list of
odd layers; pixels.json the SHA-256 of what they draw from the latents of golden_pixels.py.
previews.safetensors and previews.json: the same of two previews.
"""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from golden_pixels import CASES, digest, latents_of
from pixel_lists import odd_preview, odd_rendering, tiny_rendering

from mcm_fast.exact.pixels.decoder_file import save_decoder
from mcm_fast.exact.pixels.reference import render
from mcm_fast.exact.pixels.rendering import Rendering

FOLDER = Path(__file__).parent


def main() -> None:
    with TemporaryDirectory() as folder:
        _, tiny, _ = tiny_rendering(Path(folder) / "tiny.safetensors")
    write("pixels", {"tiny": tiny, "odd": odd_rendering()})
    write("previews", {f"preview{scale}": odd_preview(scale) for scale in (8, 16)})


def write(stem: str, renderings: dict[str, Rendering]) -> None:
    save_decoder(FOLDER / f"{stem}.safetensors", {}, renderings)
    index = {}
    for name, rendering in renderings.items():
        index[name] = {"id": rendering.id.hex()}
        for case in CASES:
            arrays, quality = latents_of(rendering, case)
            pixels = render(rendering, *map(torch.from_numpy, arrays), quality)
            index[name][case] = digest(pixels.permute(1, 2, 0).numpy())
    (FOLDER / f"{stem}.json").write_text(json.dumps(index, indent=1) + "\n")


if __name__ == "__main__":
    main()
