"""The build graph, with compilers that only list headers: what is compiled when, and by which."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Notes its arguments; compiling writes the depfile that g++ would, and an empty object.
COMPILER = """#!/bin/sh
echo "$(basename "$0") $*" >> "{log}"
while [ $# -gt 1 ]; do
    case "$1" in
        -MF) depfile=$2 ;;
        -c) source=$2 ;;
        -I*) includes="$includes $1" ;;
        -o) out=$2 ;;
    esac
    shift
done
set -e
[ -z "$source" ] || g++ -x c++ -std=c++17 -MM -MG $includes -MT "$out" -MF "$depfile" "$source"
: > "$out"
"""


@pytest.fixture
def checkout(tmp_path):
    """A copy of what setup.py reads, with a recording c++ and nvcc beside it."""
    shutil.copytree(ROOT / "csrc", tmp_path / "csrc")
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("c++", "nvcc"):
        (tmp_path / name).write_text(COMPILER.replace("{log}", str(tmp_path / "log")))
        (tmp_path / name).chmod(0o755)
    return tmp_path


def build(checkout: Path, **settings: str) -> list[str]:
    """The command lines of one build, without those of the build before."""
    (checkout / "log").write_text("")
    compilers = {"CXX": str(checkout / "c++"), "NVCC": str(checkout / "nvcc"), "CI": ""}
    subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext", "-b", "lib", "-t", "temp"],
        cwd=checkout,
        env={**os.environ, "MCM_FAST_WERROR": "0", "MCM_FAST_CUDA": "0", **compilers, **settings},
        check=True,
        capture_output=True,
    )
    return (checkout / "log").read_text().splitlines()


def compiled(lines: list[str]) -> set[str]:
    return {line.split(" -c ")[1].split()[0] for line in lines if " -c " in line}


def change(path: Path) -> None:
    path.write_text(path.read_text() + "// changed\n")


def sources(pattern: str) -> set[str]:
    return {str(path.relative_to(ROOT)) for path in (ROOT / "csrc").glob(pattern)}


def engine_sources() -> set[str]:
    """Of `_C`: `_CUDA` has its own, and so has the C library."""
    return sources("**/*.cpp") - sources("cuda/*.cpp") - sources("c/*.cpp")


def test_compiles_what_has_changed(checkout):
    assert compiled(build(checkout)) == engine_sources()
    assert build(checkout) == []

    change(checkout / "csrc/simd.cpp")
    lines = build(checkout)
    assert compiled(lines) == {"csrc/simd.cpp"}
    assert len(lines) == 2  # and the link

    change(checkout / "csrc/simd.h")
    including = compiled(build(checkout))
    assert {"csrc/simd.cpp", "csrc/dense_avx2.cpp"} <= including
    assert "csrc/warp/tables.cpp" not in including

    assert compiled(build(checkout, MCM_FAST_WERROR="1")) >= including  # other flags: all again


def test_graph_with_cuda(checkout):
    lines = build(checkout, MCM_FAST_CUDA="1", MCM_FAST_WERROR="1", MCM_FAST_JOBS="1")
    kernels, link = (line for line in lines if line.startswith("nvcc "))
    assert compiled([kernels]) == {"csrc/cuda/warp.cu"}
    for flag in ("code=sm_80", "code=[sm_90,compute_90]", "--Werror=all-warnings", ",-Werror "):
        assert flag in kernels
    assert "--cudart=static" in link and "--exclude-libs=ALL" in link
    assert "csrc/cuda/module.cpp.o" in link and "csrc/cuda/warp.cu.o" in link
    assert compiled(lines) == engine_sources() | sources("cuda/*.c*")
    assert list((checkout / "lib/mcm_fast").glob("_CUDA*"))

    change(checkout / "csrc/cuda/launch.h")
    assert compiled(build(checkout, MCM_FAST_CUDA="1", MCM_FAST_WERROR="1")) == {
        "csrc/cuda/warp.cu"
    }


def test_a_failed_compilation_fails_the_build(checkout):
    (checkout / "csrc/simd.cpp").write_text("#error refused\n")
    with pytest.raises(subprocess.CalledProcessError):
        build(checkout)
