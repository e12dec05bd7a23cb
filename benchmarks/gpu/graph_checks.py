"""Checks of graphs that come into use late: of what comes before the first step of the wavefront,
with the second image of a size; of the synthesis, with its second picture."""

from __future__ import annotations

import torch
from differences import require_equal
from images import made
from layer_checks import Setup
from rows import say

import mcm_fast
from mcm_fast.transforms import graphs

ROUNDS = 3
APART = 1  # level: another algorithm of a convolution may round another way


def prelude(setup: Setup) -> None:
    """Images of all sizes in turns, each round with other latents and another quality."""
    gpu, cpu = setup.engines()
    for turn in range(ROUNDS):
        for y, z, quality in setup.items(gpu.model, spread=1.0 + 2 * turn):
            item = y, z, quality + 1111 * turn
            [(coded, parameters)] = cpu.encode([item])
            [found] = gpu.decode([(coded, *y.shape[1:], item[2])])
            if isinstance(found, Exception):
                raise found
            for name, there, here in (("z", found[1], z), ("y", found[0], y)):
                require_equal(f"{setup.name} round {turn} {name}", there, here)
            require_equal(f"{setup.name} round {turn} hyper", found[2].hyper, parameters.hyper)
        captured = [len(kept.preludes) for kept in gpu._decoder._kept.values()]
        say(model=setup.name, round=turn, sizes=setup.sizes, captured=captured)


def render(setup: Setup) -> None:
    """Pictures of two shapes in turns, with graphs and without."""
    name = setup.name if setup.name in mcm_fast.models() else "small"
    codec, writer = (mcm_fast.load(name, d, engine="cpu") for d in (setup.device, "cpu"))
    sizes = [(32, 48), (48, 48)] if setup.device.type == "cpu" else [(512, 768), (333, 500)]
    latents = [
        writer.analysis(made(*size, seed), 10 + 40 * seed) for seed in range(3) for size in sizes
    ]
    wanted, graphs.SYNTHESIS = graphs.SYNTHESIS, False
    expected = [codec.synthesis(each, exact=False).cpu() for each in latents]
    graphs.SYNTHESIS = wanted
    found = [codec.synthesis(each, exact=False).cpu() for each in latents * 2]
    kept = len(codec._replays._kept)
    apart = [_apart(*pair) for pair in zip(found, expected * 2, strict=True)]
    say(model=name, graphs=kept, levels_apart=max(apart), differ=sum(n > 0 for n in apart))
    if wanted and setup.device.type == "cuda" and not kept:
        raise SystemExit("no graph could be made")
    if max(apart) > APART:
        raise SystemExit(f"pictures are up to {max(apart)} levels apart: {apart}")


def _apart(a: torch.Tensor, b: torch.Tensor) -> int:
    return int((a.int() - b.int()).abs().max())


GRAPH_CHECKS = {"prelude": prelude, "render": render}
