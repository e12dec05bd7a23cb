"""The peak memory of one process: python benchmarks/peak_memory.py compress|decompress W H STREAM.

Compresses a picture of that size with `small` into the file STREAM, or decompresses STREAM, and
prints the process's largest resident size in MB.
"""

import resource
import sys
from pathlib import Path

import torch
from photograph import photograph

import mcm_fast


def main(what: str, width: int, height: int, stream: Path) -> None:
    torch.set_num_threads(2)
    codec = mcm_fast.load("small")
    if what == "compress":
        stream.write_bytes(codec.compress(photograph(width, height), 50))
    else:
        assert codec.decompress(stream.read_bytes()).shape == (3, height, width)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
