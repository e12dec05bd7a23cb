"""Every public function and method, with arguments that are good."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from conftest import noise

import mcm_fast
from mcm_fast import Codec, PixelDecoder, symbols

Call = tuple[Callable[..., Any], dict[str, Any]]


def names() -> list[str]:
    """Those of `calls`."""
    found = [f"mcm_fast.{name}" for name in mcm_fast.__all__ if _is_function(name)]
    for kind in (Codec, PixelDecoder):
        members = [name for name in dir(kind) if not name.startswith("_")]
        methods = [name for name in members if callable(getattr(kind, name))]
        found += [f"{kind.__name__}.{name}" for name in methods]
    return [*found, "symbols.decode_symbols", "symbols.encode_symbols"]


def _is_function(name: str) -> bool:
    return inspect.isfunction(getattr(mcm_fast, name))


def calls(model: Path) -> dict[str, Call]:
    """By name; `model` is a file, with its decoder's beside it."""
    codec, image = Codec.from_file(model), noise(16, 20)
    decoder_file = model.with_name(model.name.replace(".safetensors", ".decoder.safetensors"))
    decoder = PixelDecoder(decoder_file)
    stream, latents = codec.compress(image), codec.analysis(image)
    by_file, one = {"model": model}, {"stream": stream}
    tables = symbols.SymbolTables.from_probabilities([[0.2, 0.6, 0.2]], first=[6])
    values, numbers = torch.tensor([7, 8], dtype=torch.int16), torch.zeros(2, dtype=torch.int32)
    segments = symbols.encode_symbols(tables, values, numbers)
    return {
        "mcm_fast.compress": (mcm_fast.compress, {"image": image} | by_file),
        "mcm_fast.compress_many": (mcm_fast.compress_many, {"images": [image]} | by_file),
        "mcm_fast.decompress": (mcm_fast.decompress, one | by_file),
        "mcm_fast.decompress_many": (mcm_fast.decompress_many, {"streams": [stream]} | by_file),
        "mcm_fast.imread": (mcm_fast.imread, {"source": stream} | by_file),
        "mcm_fast.info": (mcm_fast.info, one),
        "mcm_fast.load": (mcm_fast.load, by_file),
        "mcm_fast.models": (mcm_fast.models, {}),
        "mcm_fast.read_metadata": (mcm_fast.read_metadata, one),
        "Codec.analysis": (codec.analysis, {"image": image}),
        "Codec.compress": (codec.compress, {"image": image, "effort": 1}),
        "Codec.compress_many": (codec.compress_many, {"images": [image, image]}),
        "Codec.decode": (codec.decode, one),
        "Codec.decompress": (codec.decompress, one),
        "Codec.decompress_many": (codec.decompress_many, {"streams": [stream, stream]}),
        "Codec.encode": (codec.encode, {"latents": latents}),
        "Codec.from_file": (Codec.from_file, {"path": model}),
        "Codec.ideal_bits": (codec.ideal_bits, {"latents": latents}),
        "Codec.synthesis": (codec.synthesis, {"latents": latents, "exact": False}),
        "Codec.untrained": (Codec.untrained, {"preset": "tiny"}),
        "Codec.with_limits": (codec.with_limits, {}),
        "PixelDecoder.decompress": (decoder.decompress, one),
        "PixelDecoder.with_limits": (decoder.with_limits, {}),
        "symbols.decode_symbols": (
            symbols.decode_symbols,
            {"tables": tables, "segments": segments, "numbers": numbers},
        ),
        "symbols.encode_symbols": (
            symbols.encode_symbols,
            {"tables": tables, "values": values, "numbers": numbers},
        ),
    }
