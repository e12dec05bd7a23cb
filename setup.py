"""Builds the C++ engine and, for a GPU, the CUDA range coder; all else stands in pyproject.toml.

MCM_FAST_WERROR=1 (or CI=true) makes warnings errors. MCM_FAST_CUDA=1 builds `mcm_fast._CUDA` or
fails, 0 leaves it out; unset, it is built where both nvcc and a device are. NVCC is the path of the
compiler, MCM_FAST_JOBS the number of files compiled at once. A wheel without `_CUDA` still
compresses and decompresses; a wheel with it imports without a GPU.
"""

import os
import shlex
import shutil
import subprocess
from glob import glob
from pathlib import Path

import pybind11
from ninja import BIN_DIR
from ninja.ninja_syntax import Writer, escape
from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext

PACKAGES = find_packages(include=["mcm_fast", "mcm_fast.*"])
WERROR = os.environ.get("CI") == "true" or os.environ.get("MCM_FAST_WERROR") == "1"
NVCC = os.environ.get("NVCC") or shutil.which("nvcc")
HOST = ["-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra"] + ["-Werror"] * WERROR
CXX_FLAGS = ["-O3", "-std=c++17", "-pthread", "-g0", *HOST]
# Machine code for A100 and H100; PTX for what comes after.
NVCC_FLAGS = ["-O3", "-std=c++17", "--expt-relaxed-constexpr"]
NVCC_FLAGS += ["--Werror=all-warnings"] * WERROR + ["-Xcompiler", ",".join(HOST)]
NVCC_FLAGS += ["-gencode=arch=compute_80,code=sm_80"]
NVCC_FLAGS += ["-gencode=arch=compute_90,code=[sm_90,compute_90]"]
# The CUDA runtime is linked in, and looks for the driver only when it is first called. It stays the
# library's own, whatever other runtimes the process has loaded.
NVCC_LINK = ["-shared", "--cudart=static", "-Xlinker", "--exclude-libs=ALL"]


def cpu_extension() -> Extension:
    others = glob("csrc/cuda/*.cpp") + glob("csrc/c/*.cpp")  # the C library has a Makefile
    sources = set(glob("csrc/**/*.cpp", recursive=True)) - set(others)
    return Extension("mcm_fast._C", sorted(sources))


def cuda_extension() -> Extension:
    return Extension("mcm_fast._CUDA", sorted(glob("csrc/cuda/*.cpp") + glob("csrc/cuda/*.cu")))


def cuda_wanted() -> bool:
    choice = os.environ.get("MCM_FAST_CUDA", "")
    if choice not in ("", "0", "1"):
        raise SystemExit(f"MCM_FAST_CUDA must be 0, 1 or unset, not {choice!r}")
    if choice == "1" and not NVCC:
        raise SystemExit("MCM_FAST_CUDA=1, but there is no nvcc; put it on PATH or name it in NVCC")
    return choice == "1" or (choice == "" and bool(NVCC and glob("/dev/nvidia[0-9]*")))


class Build(build_ext):
    """All extensions as one graph for ninja, which compiles what has changed and nothing else.

    pip gives an editable install a new temporary folder each time; its graph stays in build/ninja.
    """

    def build_extensions(self) -> None:
        folder = Path("build/ninja" if self.editable_mode else self.build_temp)
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / "build.ninja", "w") as file:
            self.write_graph(Writer(file), folder)
        ninja = [os.path.join(BIN_DIR, "ninja"), "-f", str(folder / "build.ninja")]
        jobs = os.environ.get("MCM_FAST_JOBS", "0")
        self.spawn(ninja + ["-j", jobs] * (jobs != "0"))
        if self.editable_mode:  # for editors
            commands = subprocess.check_output([*ninja, "-t", "compdb", "cxx", "nvcc"])
            Path("build/compile_commands.json").write_bytes(commands)
        for extension in self.extensions:
            library = self.get_ext_fullpath(extension.name)
            self.mkpath(os.path.dirname(library))
            self.copy_file(str(folder / self.get_ext_filename(extension.name)), library)

    def write_graph(self, graph: Writer, folder: Path) -> None:
        def rule(name: str, command: list[str], files: str, **settings: str) -> None:
            command = escape(shlex.join(command)) + files
            graph.rule(name, command, description=f"{name} $out", **settings)

        graph.variable("builddir", str(folder))
        # The depfile lists the headers that the compiler has read, those of the system left out.
        compiled = {"files": " -MMD -MF $out.d -c $in -o $out", "depfile": "$out.d", "deps": "gcc"}
        includes = [f"-I{path}" for path in (pybind11.get_include(), *self.include_dirs)]
        rule("cxx", [*self.compiler.compiler_so_cxx, *CXX_FLAGS, *includes], **compiled)
        linker = [*self.compiler.compiler_cxx, *self.compiler.linker_so_cxx[1:], "-pthread"]
        rule("link", linker, " $in -o $out")
        if NVCC:
            rule("nvcc", [NVCC, *NVCC_FLAGS, *includes], **compiled)
            rule("link_cuda", [NVCC, *NVCC_LINK], " $in -o $out")
        for extension in self.extensions:
            objects = [f"{folder}/{source}.o" for source in extension.sources]
            for source, out in zip(extension.sources, objects, strict=True):
                graph.build(out, "nvcc" if source.endswith(".cu") else "cxx", source)
            library = str(folder / self.get_ext_filename(extension.name))
            cuda = any(source.endswith(".cu") for source in extension.sources)
            graph.build(library, "link_cuda" if cuda else "link", objects)


setup(
    ext_modules=[cpu_extension()] + [cuda_extension()] * cuda_wanted(),
    cmdclass={"build_ext": Build},
    packages=[*PACKAGES, "mcm_fast.kernels"],
    package_dir={"mcm_fast.kernels": "kernels"},
    include_package_data=False,  # weights/ is data, not a package
    package_data={
        "mcm_fast": ["py.typed", "weights/*.safetensors"],
        "mcm_fast.evaluation": ["static/*"],
        "mcm_fast.evaluation.judge": ["static/*"],
        "mcm_fast.testing": ["golden/*"],
    },
)
