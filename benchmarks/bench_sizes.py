"""What a pixel costs in a large picture: time at 8 megapixels against 0.4, and memory at 4K.

The trained `small` on one photograph, mirrored to size, so that a pixel holds as much everywhere.
"""

import subprocess
import sys
from pathlib import Path

import torch
from photograph import photograph
from timing import interleaved

import mcm_fast
from mcm_fast.exact.cpu import CpuEngine

TITLE = "Time a pixel by size, small, 2 threads, nanoseconds"
MEMORY = "Peak memory of a fresh process, small, 3840x2160, MB"
SMALL, LARGE = (768, 512), (3504, 2336)


def test_large_against_small(report, threads):
    codec = mcm_fast.load("small")
    engine = CpuEngine(codec.integers, threads)
    entropy, whole = [], []
    for size in (SMALL, LARGE):
        latents = codec.analysis(photograph(*size), 50)
        [(coded, _)] = engine.encode([(latents.y, latents.z, latents.quality_steps)])
        shape = *latents.y.shape[1:], latents.quality_steps
        assert torch.equal(engine.decode([(coded, *shape)])[0][0], latents.y)
        stream = codec.encode(latents)
        entropy.append(lambda c=coded, s=shape: engine.decode([(c, *s)]))
        whole.append(lambda s=stream: codec.decompress(s))
    for part, functions in (("entropy decode", entropy), ("decompress", whole)):
        medians = [sorted(taken)[len(taken) // 2] for taken in interleaved(functions, 5)]
        small, large = (
            1e9 * seconds / (width * height)
            for seconds, (width, height) in zip(medians, (SMALL, LARGE), strict=True)
        )
        cells = {"{}x{}".format(*SMALL): f"{small:.1f}", "{}x{}".format(*LARGE): f"{large:.1f}"}
        report(TITLE, {"part": part, **cells, "ratio": f"{large / small:.2f}x"})


def test_memory(report, tmp_path):
    program = Path(__file__).parent / "peak_memory.py"
    for what in ("compress", "decompress"):
        command = [sys.executable, str(program), what, "3840", "2160", str(tmp_path / "stream")]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        report(MEMORY, {"part": what, "peak": done.stdout.strip()})
