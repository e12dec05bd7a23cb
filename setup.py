"""Builds the C++ engine; everything else is said in pyproject.toml.

MCM_FAST_WERROR=1 (or CI=true) makes warnings errors. An engine for another device would be one more
entry in `ext_modules`, so that a wheel without it still compresses and decompresses.
"""

import os
from glob import glob

from pybind11.setup_helpers import ParallelCompile, Pybind11Extension
from setuptools import setup

PACKAGES = ["mcm_fast", "mcm_fast.network", "mcm_fast.exact", "mcm_fast.training"]


def cpu_extension() -> Pybind11Extension:
    flags = ["-O3", "-pthread", "-Wall", "-Wextra"]
    if os.environ.get("CI") == "true" or os.environ.get("MCM_FAST_WERROR") == "1":
        flags.append("-Werror")
    return Pybind11Extension(
        "mcm_fast._C",
        sorted(glob("csrc/*.cpp")),
        depends=sorted(glob("csrc/*.h")),
        cxx_std=17,
        extra_compile_args=flags,
        extra_link_args=["-pthread"],
    )


with ParallelCompile("MCM_FAST_JOBS", default=0):
    setup(
        ext_modules=[cpu_extension()],
        packages=[*PACKAGES, "mcm_fast.kernels"],
        package_dir={"mcm_fast.kernels": "kernels"},
        include_package_data=False,  # weights/ is data, not a package
        package_data={"mcm_fast": ["py.typed", "weights/*.safetensors"]},
    )
