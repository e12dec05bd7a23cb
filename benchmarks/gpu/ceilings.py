"""Compiles ceilings.cu for this machine and runs it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from facts import architecture

from build import nvcc_path

SOURCE = Path(__file__).with_suffix(".cu")


def main() -> None:
    flags = ["-O3", "-std=c++17", f"-arch={architecture()}"]
    subprocess.run([nvcc_path(), *flags, str(SOURCE), "-o", "ceilings"], check=True)
    subprocess.run(["./ceilings"], check=True)


if __name__ == "__main__":
    main()
