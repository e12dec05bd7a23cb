"""Golden pixels stay the same for ever, whatever is trained or sped up."""

import json
from pathlib import Path

import pytest
import torch
from golden_pixels import CASES, digest, latents_of

from mcm_fast.exact.extension import extension
from mcm_fast.exact.pixels.cpu import CpuRenderer
from mcm_fast.exact.pixels.cuda import MEMORY, CudaRenderer
from mcm_fast.exact.pixels.decoder_file import load_decoder
from mcm_fast.exact.pixels.reference import render

FOLDER = Path(__file__).parent / "golden"
STEMS = "pixels", "previews"
INDEX, RENDERINGS = {}, {}
for stem in STEMS:
    INDEX |= json.loads((FOLDER / f"{stem}.json").read_text())
    RENDERINGS |= load_decoder(FOLDER / f"{stem}.safetensors").renderings


@pytest.mark.parametrize("name", INDEX)
def test_id(name):
    assert RENDERINGS[name].id.hex() == INDEX[name]["id"]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", INDEX)
def test_golden_pixels(name, case):
    arrays, quality = latents_of(RENDERINGS[name], case)
    pixels = render(RENDERINGS[name], *map(torch.from_numpy, arrays), quality)
    assert digest(pixels.permute(1, 2, 0).numpy()) == INDEX[name][case]
    for memory in (2**18, MEMORY):
        renderer = CudaRenderer(RENDERINGS[name], "cpu", memory=memory)
        pixels = renderer.render(*map(torch.from_numpy, arrays), quality)
        assert digest(pixels.permute(1, 2, 0).numpy()) == INDEX[name][case]
    before = extension().simd()
    try:
        for level in extension().simd_names():
            extension().use_simd(level)
            found = CpuRenderer(RENDERINGS[name], 2).render(*arrays, quality)
            assert digest(found) == INDEX[name][case], level
    finally:
        extension().use_simd(before)
