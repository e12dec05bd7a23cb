"""Builds the C++ engine and, for a GPU, the CUDA range coder; all else is said in pyproject.toml.

MCM_FAST_WERROR=1 (or CI=true) makes warnings errors. MCM_FAST_CUDA=1 builds `mcm_fast._CUDA` or
fails, 0 leaves it out; unset, it is built where both nvcc and a device are. NVCC is the path of the
compiler. A wheel without it still compresses and decompresses; one with it imports without a GPU.
"""

import os
import shutil
from glob import glob

from pybind11.setup_helpers import ParallelCompile, Pybind11Extension, build_ext
from setuptools import setup

PACKAGES = ["mcm_fast"] + [
    f"mcm_fast.{name}"
    for name in ("cli", "evaluation", "exact", "exact.cuda", "network", "training", "transforms")
]
WERROR = os.environ.get("CI") == "true" or os.environ.get("MCM_FAST_WERROR") == "1"
NVCC = os.environ.get("NVCC") or shutil.which("nvcc")
# Machine code for A100 and H100; PTX for what comes after. The runtime is linked in, and looks for
# the driver only when it is first called.
NVCC_FLAGS = ["-O3", "-std=c++17", "--expt-relaxed-constexpr", "--cudart=static"]
NVCC_FLAGS += ["-gencode=arch=compute_80,code=sm_80"]
NVCC_FLAGS += ["-gencode=arch=compute_90,code=[sm_90,compute_90]"]
HOST_FLAGS = ["-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra"]


def cpu_extension() -> Pybind11Extension:
    flags = ["-O3", "-pthread", "-Wall", "-Wextra"] + ["-Werror"] * WERROR
    return Pybind11Extension(
        "mcm_fast._C",
        sorted(glob("csrc/*.cpp") + glob("csrc/warp/*.cpp")),
        depends=sorted(glob("csrc/**/*.h", recursive=True)),
        cxx_std=17,
        extra_compile_args=flags,
        extra_link_args=["-pthread"],
    )


def cuda_extension() -> Pybind11Extension:
    sources = sorted(glob("csrc/cuda/*.cpp") + glob("csrc/cuda/*.cu"))
    return Pybind11Extension(
        "mcm_fast._CUDA", sources, depends=sorted(glob("csrc/**/*.h", recursive=True))
    )


def cuda_wanted() -> bool:
    choice = os.environ.get("MCM_FAST_CUDA", "")
    if choice not in ("", "0", "1"):
        raise SystemExit(f"MCM_FAST_CUDA must be 0, 1 or unset, not {choice!r}")
    if choice == "1" and not NVCC:
        raise SystemExit("MCM_FAST_CUDA=1, but there is no nvcc; put it on PATH or name it in NVCC")
    return choice == "1" or (choice == "" and bool(NVCC and glob("/dev/nvidia[0-9]*")))


class Build(build_ext):
    """nvcc compiles and links what has a .cu file: it knows where its runtime is."""

    def build_extension(self, ext: Pybind11Extension) -> None:
        if not any(source.endswith(".cu") for source in ext.sources):
            return super().build_extension(ext)
        output = self.get_ext_fullpath(ext.name)
        self.mkpath(os.path.dirname(output))
        host = ",".join(HOST_FLAGS + ["-Werror"] * WERROR)
        flags = NVCC_FLAGS + ["--Werror=all-warnings"] * WERROR + ["-Xcompiler", host]
        includes = [f"-I{path}" for path in [*ext.include_dirs, *self.include_dirs]]
        # Its copy of the runtime stays its own, whatever others the process has loaded.
        link = ["-shared", "-Xlinker", "--exclude-libs=ALL", "-o", output]
        self.spawn([NVCC, *flags, *includes, *link, *ext.sources])


with ParallelCompile("MCM_FAST_JOBS", default=0):
    setup(
        ext_modules=[cpu_extension()] + [cuda_extension()] * cuda_wanted(),
        cmdclass={"build_ext": Build},
        packages=[*PACKAGES, "mcm_fast.kernels"],
        package_dir={"mcm_fast.kernels": "kernels"},
        include_package_data=False,  # weights/ is data, not a package
        package_data={"mcm_fast": ["py.typed", "weights/*.safetensors"]},
    )
