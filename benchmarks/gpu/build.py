"""Builds one extension with plain compiler lines: nothing but a compiler, pybind11 and Python's
headers is needed.

    python build.py _C SITE         into SITE/mcm_fast, a copy of the package
    python build.py _CUDA SITE      into SITE/mcm_fast, for this machine's GPU alone
    python build.py clocks SITE     _CUDA with clocks in its phases, into SITE-clocks
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pybind11
from facts import architecture
from rows import say

ROOT = Path(__file__).resolve().parents[2]
INCLUDES = [f"-I{path}" for path in (pybind11.get_include(), sysconfig.get_paths()["include"])]
HOST = ["-fPIC", "-fvisibility=hidden"]
CXX = ["-O3", "-std=c++17", "-pthread", *HOST, *INCLUDES]
SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")


def main(name: str, site: Path) -> None:
    start = time.monotonic()
    package = site / "mcm_fast"
    if name == "_C":
        ignored = shutil.ignore_patterns("__pycache__", "*.so")
        shutil.copytree(ROOT / "mcm_fast", package, ignore=ignored, dirs_exist_ok=True)
        kernels = package / "kernels"
        shutil.copytree(ROOT / "kernels", kernels, ignore=ignored, dirs_exist_ok=True)
        build_c(sources_of_c(), site.parent / "objects", package / f"_C{SUFFIX}")
    elif name == "_CUDA":
        build_cuda(package / f"_CUDA{SUFFIX}")
    else:
        clocks = site.with_name(site.name + "-clocks")
        shutil.copytree(package, clocks / "mcm_fast", dirs_exist_ok=True)
        build_cuda(clocks / "mcm_fast" / f"_CUDA{SUFFIX}", "-DMCM_CLOCKS")
    say(built=name, seconds=round(time.monotonic() - start, 1))


def sources_of_c() -> list[Path]:
    """As setup.py has them."""
    files = (ROOT / "csrc").rglob("*.cpp")
    return sorted(path for path in files if path.parent.name not in ("cuda", "c"))


def build_c(sources: list[Path], folder: Path, library: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    compiler = os.environ.get("CXX", "g++")
    objects = [folder / f"{path.parent.name}-{path.stem}.o" for path in sources]

    def compiled(pair: tuple[Path, Path]) -> None:
        subprocess.run([compiler, *CXX, "-c", pair[0], "-o", pair[1]], check=True)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(compiled, zip(sources, objects, strict=True)))
    subprocess.run([compiler, "-shared", "-pthread", *objects, "-o", library], check=True)
    load(library)


def build_cuda(library: Path, *more: str) -> None:
    library.parent.mkdir(parents=True, exist_ok=True)
    sources = [p for p in (ROOT / "csrc" / "cuda").iterdir() if p.suffix in (".cpp", ".cu")]
    flags = ["-O3", "-std=c++17", "--expt-relaxed-constexpr", f"-arch={architecture()}", *INCLUDES]
    flags += ["-shared", "--cudart=static", "-Xcompiler", ",".join(HOST)]
    subprocess.run([nvcc_path(), *flags, *more, *sources, "-o", library], check=True)
    load(library)


def load(library: Path) -> None:
    """Whether it can be: ImportError where a symbol is missing."""
    name = library.name.split(".")[0]
    spec = importlib.util.spec_from_file_location(name, library)
    importlib.util.module_from_spec(spec)


def nvcc_path() -> str:
    homes = [os.environ.get(name, "") for name in ("CUDA_HOME", "CUDA_PATH")]
    places = [shutil.which("nvcc") or "", *(f"{h}/bin/nvcc" for h in (*homes, "/usr/local/cuda"))]
    found = [place for place in (os.environ.get("NVCC", ""), *places) if Path(place).is_file()]
    if not found:
        raise SystemExit("there is no nvcc: on PATH, in NVCC or in CUDA_HOME/bin")
    return found[0]


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
