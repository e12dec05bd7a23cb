"""What decoding should cost on an H100, worked out from machine code, without one. No measurement.

    python estimate.py --images FOLDER        of PNG files; needs nvcc and triton, no GPU

A loop's machine code goes through a model of one warp: instructions issue in order, when their
operands are ready; a branch waits for its predicate, and what comes after for the branch.
Latencies are those published for Hopper, in cycles; +-40 %. Rounds of the coder and steps of the
wavefront are counted on the images.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from images import photographs

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

import kernel_builds  # noqa: E402
from machine_code import _REGISTER, _operation, count, disassembled, loops  # noqa: E402

import mcm_fast  # noqa: E402
from mcm_fast import tiled  # noqa: E402
from mcm_fast.exact.cuda.launch import PDL  # noqa: E402
from mcm_fast.exact.wavefront import wavefront  # noqa: E402

GHZ = 1.8
EDGE = 1.25  # microseconds between a kernel's end and the next one's begin, in a graph
HOST = 0.22  # milliseconds before the first step, whose launches are one graph
# With programmatic dependent launches: an edge, a guess; and cycles of the coder's step that pass
# while the context step still runs, for the tables.
EARLY_EDGE, TABLES = 0.6, 860
LATENCY = {"LDG": 280, "LDSM": 33, "LDS": 30, "IMMA": 33, "POPC": 16, "VOTE": 12, "S2R": 25}
LATENCY |= {"S2UR": 25, "BAR": 20, "BRA": 8, "BSYNC": 8, "WARPSYNC": 8, "DEPBAR": 10}
ALU = 5  # all others
# Of the coder's step besides its rounds: launch, headers, lookups, tables (54 KB at 64 bytes a
# cycle), four barriers, write-out. And of each further chunk of 2048 latents.
FIXED, CHUNK = 2000, 900


def cycles(way: list[str], repeats: int = 4) -> float:
    """Of an instruction path, in the steady state if it is a loop's."""
    ready: dict[str, float] = {}
    now, ends = 0.0, []
    for _ in range(repeats):
        for text in way:
            guard = _REGISTER.findall(text.split(" ")[0]) if text.startswith("@") else []
            names = _REGISTER.findall(text)[len(guard) :]
            operation = _operation(text)
            made = 2 if operation.startswith(("ISETP", "PLOP3")) else 1
            stores = operation.startswith(("ST", "BRA", "BSSY", "BSYNC", "BAR", "LDGSTS"))
            written, read = ([], names) if stores else (names[:made], names[made:])
            now = max([now + 1, *(ready.get(name, 0.0) for name in (*read, *guard))])
            latency = next((n for key, n in LATENCY.items() if operation.startswith(key)), ALU)
            for name in _wide(operation, written):
                ready[name] = now + latency
            if operation.startswith(("BRA", "BSYNC", "BAR", "WARPSYNC", "DEPBAR")):
                now += latency
        ends.append(now)
    return ends[-1] - ends[-2] if repeats > 1 else now


def _wide(operation: str, written: list[str]) -> list[str]:
    """All registers that are written: loads and products fill several in a row."""
    several = 4 if operation.startswith(("LDSM", "IMMA")) or ".128" in operation else 1
    several = 2 if ".64" in operation else several
    if several == 1 or not written or not re.fullmatch(r"R\d+", written[0]):
        return [name for name in written if name not in ("PT", "RZ", "UPT", "URZ")]
    return [f"R{int(written[0][1:]) + i}" for i in range(several)]


def coder_round() -> tuple[int, float]:
    """Instructions and cycles of a round of decode_step."""
    with tempfile.TemporaryDirectory() as folder:
        cubin = Path(folder) / "warp.cubin"
        flags = ["-cubin", "-arch=sm_90", "-O3", "-std=c++17", "--expt-relaxed-constexpr"]
        source = ROOT / "csrc" / "cuda" / "warp.cu"
        subprocess.run(["nvcc", *flags, "-o", cubin, source], check=True)
        kernels = disassembled(cubin.read_bytes())
    (code,) = (c for name, c in kernels.items() if "decode_step_kernelILb1ELb0" in name)
    ways = [way for way in loops(code) if count(way, "LDS.U16") > 4 and count(way, "POPC")]
    way = min(ways, key=len)
    return len(way), cycles(way)


def context(preset: str) -> dict[str, tuple[int, float]]:
    """Instructions and cycles: of a chunk of the lazy sums, the longest; of context_step, whole;
    of a dependent launch of it, from where it waits."""
    found = {}
    for name, kernel, types, settings in kernel_builds.kernels(preset):
        early = {"dependent step": PDL} if name == "context_step" else {}
        for title, more in ({name: {}} | early).items() if "context_" in name else ():
            built = kernel_builds.build(kernel, types, settings | more, 90)
            ((_, found[title]),) = disassembled(built.asm["cubin"]).items()
    chunks = [way for way in loops(found["context_lazy"]) if count(way, "IMMA")]
    longest = max(chunks, key=cycles)
    ways = {name: found[name] for name in ("context_step", "dependent step")}
    whole = {name: _to_the_end(code) for name, code in ways.items()}
    return {"context_lazy": (len(longest), cycles(longest))} | {
        name: (len(way), cycles(way, 1)) for name, way in whole.items()
    }


def _to_the_end(code: list) -> list[str]:
    """A kernel's way from the wait of a dependent launch, or from its beginning."""
    way = [text for _, text in code]
    end = max(i for i, text in enumerate(way) if re.match(r"(@!?P\d )?EXIT", text)) + 1
    return way[way.index("ACQBULK") if "ACQBULK" in way else 0 : end]


def counted(codec, image, quality: float) -> dict[str, float]:
    """Steps, and means over them of the coder's rounds and of chunks; bits a pixel."""
    latents = codec.analysis(image, quality)
    model, (item,) = codec.integers, tiled.items(latents)
    [(coded, said)] = codec.engine.encode([item])
    table, _ = model.table_of(said.mu, said.indexes)
    start = model.tensors["tables.start"].long()
    is_coded = (start[table + 1] - start[table] != 2).view(model.slices, -1, *latents.y.shape[1:])
    latents_of, states = is_coded.sum(1), coded.lanes * coded.groups
    steps = list(wavefront(*latents.y.shape[1:], model.slices))
    visit, rounds = latents.z.numel(), []
    for positions in steps:
        some = int(sum(latents_of[position] for position in positions))
        rounds.append(-(-(some + visit % states) // states) if some else 0)
        visit += some
    chunks = [-(-len(p) * model.slice_channels // 2048) for p in steps]
    bits = 8 * sum(map(len, coded.segments)) / image[0].numel()
    means = (sum(values) / len(steps) for values in (rounds, chunks))
    return {"bpp": bits, "states": states, "steps": len(steps)} | dict(
        zip(("rounds", "chunks"), means, strict=True)
    )


def mosaic(images: list, height: int, width: int):
    """One image of many."""
    alike = [image for image in images if image.shape == images[0].shape]
    rows = [torch.cat(alike[i : i + 3], 2) for i in (0, 3, 6)]
    return torch.cat(rows, 1)[:, :height, :width].contiguous()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, required=True)
    images = list(photographs(parser.parse_args().images, 24).values())
    instructions, round_cycles = coder_round()
    print(f"coder's round: {instructions} instructions, {round_cycles:.0f} cycles")
    kernels = context("small")
    for name, (size, time) in kernels.items():
        print(f"{name}: {size} instructions, {time:.0f} cycles")
    step_us, early_us = (
        kernels[name][1] / GHZ / 1e3 for name in ("context_step", "dependent step")
    )
    codec = mcm_fast.load("small", "cpu")
    wide = next(image for image in images if image.shape[2] > image.shape[1])
    for name, image in (("768x512", wide), ("1920x1080", mosaic(images, 1080, 1920))):
        for quality in (20, 50, 90):
            row = counted(codec, image, quality)
            coder = (FIXED + CHUNK * (row["chunks"] - 1) + round_cycles * row["rounds"]) / GHZ / 1e3
            each = step_us + 2 * EDGE + coder
            total = row["steps"] * each / 1e3 + HOST
            early = early_us + 2 * EARLY_EDGE + coder - TABLES / GHZ / 1e3
            early = row["steps"] * early / 1e3 + HOST
            print(
                f"{name} quality {quality}: {row['bpp']:.3f} bpp, {row['states']} states, "
                f"{row['steps']} steps, {row['rounds']:.1f} rounds; context {step_us:.1f} + edges "
                f"{2 * EDGE:.1f} + coder {coder:.1f} = {each:.1f} us a step; {total:.2f} ms, "
                f"dependent {early:.2f} ms"
            )


if __name__ == "__main__":
    main()
