"""Regions of 512x512 out of 108 megapixels: `python benchmarks/regions.py IMAGE`.

IMAGE is enlarged to 12 megapixels and stands nine times side by side. Prints the processor time of
20 regions at random places (medians, one thread) beside that of an image of their size, the bytes
that are read, and the peak memory of a process that reads all 20, above what importing takes: in
floats, and in integers where the model's decoder is installed.
"""

import importlib
import io
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch

import mcm_fast
from mcm_fast.container import Header, read_header
from mcm_fast.installed import has_decoder
from mcm_fast.latents import Latents

SIDE, REGIONS = 512, 20
MODULES = {"decompress": "mcm_fast.codec", "imread": "mcm_fast.pixel_decoder"}


class Counting(io.BytesIO):
    """Counts what is read."""

    count = 0

    def read(self, size: int | None = -1) -> bytes:
        content = super().read(size)
        self.count += len(content)
        return content


def boxes(header: Header) -> Iterator[tuple[int, int, int, int]]:
    chance = random.Random(0)
    for _ in range(REGIONS):
        left, top = (chance.randrange(n - SIDE) for n in (header.width, header.height))
        yield left, top, left + SIDE, top + SIDE


def copies(codec: mcm_fast.Codec, image: torch.Tensor, side: int) -> bytes:
    """A stream of nine copies of an image."""
    latents = codec.analysis(image, 50, tiles=0)
    y = latents.y[:, : latents.y.shape[1] // 4 * 4, : latents.y.shape[2] // 4 * 4]
    z = latents.z[:, : y.shape[1] // 4, : y.shape[2] // 4]
    height, width = (3 * 16 * n for n in y.shape[1:])
    planes = y.repeat(1, 3, 3), z.repeat(1, 3, 3)
    return codec.encode(Latents(*planes, width, height, 5000, False, sides=(side, side)))


def times(codec: mcm_fast.Codec, small: bytes, stream: bytes, exact: bool) -> str:
    """Medians over the regions; the image of their size is decoded between them."""

    def spent(source: io.BytesIO, box: tuple[int, int, int, int] | None) -> float:
        start = time.process_time()
        codec.decompress(source, box=box, exact=exact)
        return time.process_time() - start

    spent(io.BytesIO(small), None)  # reads the integers, if they are asked for
    regions, alone, read = [], [], []
    for box in boxes(read_header(stream)):
        file = Counting(stream)
        regions.append(spent(file, box))
        alone.append(spent(io.BytesIO(small), None))
        read.append(file.count)
    mine, base = statistics.median(regions), statistics.median(alone)
    return (
        f"{mine:.3f} s, {mine / base:.2f} times an image of that size ({base:.3f} s); "
        f"{statistics.median(read):.0f} of {len(stream)} bytes read"
    )


def memory(how: str, path: str) -> None:
    """The peak of this process, which decodes the regions of a file."""
    importlib.import_module(MODULES[how])
    before = resident("VmRSS")
    torch.set_num_threads(1)
    with open(path, "rb") as file:
        for box in boxes(read_header(file)):
            file.seek(0)
            if how == "imread":
                mcm_fast.imread(file, box=box, threads=1)
            else:
                mcm_fast.decompress(file, box=box, exact=False)
    print(f"  {how}: {resident('VmHWM') - before:.0f} MB above the {before:.0f} of importing")


def resident(what: str) -> float:
    """MB of this process, from /proc."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(what))) / 1024


def main(path: str) -> None:
    from tiles import enlarged

    torch.set_num_threads(1)
    codec, image = mcm_fast.load("small"), enlarged(path)
    small = codec.compress(image[:, :SIDE, :SIDE], 50, tiles=SIDE)
    integers = has_decoder("small")
    for side in (1024, 512):
        stream = copies(codec, image, side)
        header = read_header(stream)
        print(f"{header.width}x{header.height} in tiles of {side}")
        for exact in (False, True) if integers else (False,):
            print("  integers:" if exact else "  floats:", times(codec, small, stream, exact))
        with tempfile.NamedTemporaryFile() as file:
            file.write(stream)
            file.flush()
            for how in MODULES if integers else ("decompress",):
                subprocess.run([sys.executable, __file__, "memory", how, file.name], check=True)


if __name__ == "__main__":
    memory(*sys.argv[2:]) if sys.argv[1] == "memory" else main(sys.argv[1])
