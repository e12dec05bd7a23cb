"""What threads of a call do on an idle and on a busy machine, and in the workers of a DataLoader:
`python benchmarks/busy_threads.py`. Prints a table in Markdown.

"Busy" is one process for each core that multiplies matrices with one thread.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import time

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

import mcm_fast

SIDE, REPEATS, WARM_SECONDS = 256, 7, 5


def spin() -> None:
    torch.set_num_threads(1)
    square = torch.rand(400, 400)
    while True:
        square @ square


class Streams(Dataset[Tensor]):
    def __init__(self, codec: mcm_fast.Codec, streams: list[bytes], exact: bool):
        self.codec, self.streams, self.exact = codec, streams, exact

    def __len__(self) -> int:
        return len(self.streams)

    def __getitem__(self, index: int) -> Tensor:
        return self.codec.decompress(self.streams[index], exact=self.exact)


def milliseconds(codec: mcm_fast.Codec, stream: bytes, exact: bool) -> float:
    times = []
    for _ in range(REPEATS + 2):
        start = time.perf_counter()
        codec.decompress(stream, exact=exact)
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times[2:])


def rate(codec: mcm_fast.Codec, stream: bytes, exact: bool) -> float:
    """Pictures a second of two workers, from the second round on."""
    data = Streams(codec, [stream] * (200 if codec.threads == 1 else 40), exact)
    options = {"num_workers": 2, "multiprocessing_context": "spawn", "persistent_workers": True}
    loader = DataLoader(data, batch_size=None, **options)
    list(loader)
    start = time.perf_counter()
    count = len(list(loader))
    return count / (time.perf_counter() - start)


def main() -> None:
    generator = torch.Generator().manual_seed(0)
    rough = torch.rand(1, 3, 32, 32, generator=generator)
    picture = torch.nn.functional.interpolate(rough, SIDE, mode="bicubic")[0].clamp(0, 1)
    stream = mcm_fast.compress(picture, 50)
    codecs = [mcm_fast.load(threads=count) for count in (1, 2)]
    cases = [(codec, exact) for exact in (True, False) for codec in codecs]
    columns = [[milliseconds(codec, stream, exact) for codec, exact in cases]]
    context = multiprocessing.get_context("spawn")
    others = [context.Process(target=spin, daemon=True) for _ in os.sched_getaffinity(0)]
    for other in others:
        other.start()
    time.sleep(WARM_SECONDS)
    columns.append([milliseconds(codec, stream, exact) for codec, exact in cases])
    for other in others:
        other.kill()
        other.join()
    columns.append([rate(codec, stream, exact) for codec, exact in cases])
    print("| pixels | threads | idle, ms | busy, ms | 2 workers, images/s |")
    print("|---|---:|---:|---:|---:|")
    for (codec, exact), numbers in zip(cases, zip(*columns, strict=True), strict=True):
        kind = "exact" if exact else "floating point"
        print(f"| {kind} | {codec.threads} | " + " | ".join(f"{n:.1f}" for n in numbers) + " |")


if __name__ == "__main__":
    main()
