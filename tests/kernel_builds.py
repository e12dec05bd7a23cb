"""Compiles the Triton kernels for one machine, without a GPU, and prints what each takes of it.

    python kernel_builds.py MACHINE PRESET...       MACHINE: 80 or 90

A JSON list of [kernel, {"REG": registers, "STACK": bytes, "LOCAL": bytes, ...}]. A process of its
own, because in the tests' process kernels belong to the interpreter. Arrays are taken to begin at
multiples of 16 bytes, as torch's do, and `capacity` to be such a multiple, as the launches have it.
"""

import json
import re
import subprocess
import sys
import tempfile

import triton
from triton import knobs
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from mcm_fast import Codec
from mcm_fast.exact.cuda import launch
from mcm_fast.exact.cuda.sizes import context_sizes, hyper_sizes
from mcm_fast.kernels import context, gdn, hyper, layer, step
from mcm_fast.presets import config_of

GEOMETRY = {"height": "*i32", "width": "*i32", "begin": "*i64", "t": "*i32", "capacity": "i32"}
MODEL = {"weight": "*i8", "multiplier": "*i32", "bias": "*i64"}
LATENTS = {"y": "*i8", "hyper": "*i8", "mu": "*i16", "indexes": "*u8", "numbers": "*i32"}
PICKS = {"tables": "*i32", "bases": "*i16", "places": "*i32", "values": "*i32"}
CONTEXT = GEOMETRY | MODEL | LATENTS | PICKS | {"sums": "*i32", "coming": "*i32"}
HYPER = GEOMETRY | MODEL | {"out": "*i8", "x_begin": "*i64", "out_begin": "*i64"}
AFFINE = MODEL | {"levels_multiplier": "*i32", "levels_bias": "*i64", "quality": "*i32"}
HALVES = {"x": "*fp16", "gamma": "*fp32", "beta": "*fp32", "out": "*fp16", "positions": "i32"}


def kernels(preset: str):
    """(name, kernel, types of its arguments, its compile-time arguments and options)"""
    model, config = Codec.untrained(preset).integers, config_of(preset)
    sizes = context_sizes(model)
    yield "context_lazy", step.context_lazy, CONTEXT, {"sizes": sizes, **launch.CONTEXT_LAZY}
    yield "context_step", step.context_step, CONTEXT, {"sizes": sizes, **launch.CONTEXT_STEP}
    yield "context_all", context.context_all, CONTEXT, {"sizes": sizes, **launch.CONTEXT_ALL}
    for i, layer_sizes in enumerate(hyper_sizes(model)):
        types = HYPER | {"x": "*i8" if i else "*i16"}
        yield f"hyper.{i}", hyper.hyper_layer, types, {"sizes": layer_sizes, **launch.HYPER_LAYER}
    numbers = {"LEVELS": model.levels, "ROWS": sizes.rows, **launch.AFFINE_AT}
    yield "affine_at", layer.affine_at, AFFINE, numbers
    for width in sorted({stage.width for stage in config.stages}):
        for inverse in (False, True):
            name = f"{'inverse ' * inverse}gdn of {width}"
            yield name, gdn.gdn, HALVES, {"C": width, "INVERSE": inverse, **gdn.LAUNCH}


def build(kernel, types: dict[str, str], settings: dict, machine: int):
    names = kernel.arg_names
    signature = {name: "constexpr" if name in settings else types[name] for name in names}
    constants = {(i,): settings[name] for i, name in enumerate(names) if name in settings}
    options = {name: value for name, value in settings.items() if name not in names}
    aligned = [i for i, name in enumerate(names) if "*" in signature[name] or name == "capacity"]
    attributes = {(i,): [["tt.divisibility", 16]] for i in aligned}
    source = ASTSource(kernel, signature, constants, attributes)
    return triton.compile(source, target=GPUTarget("cuda", machine, 32), options=options)


def usage(built) -> dict[str, int]:
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(built.asm["cubin"])
        file.flush()
        command = [knobs.nvidia.cuobjdump.path, "--dump-resource-usage", file.name]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {name: int(value) for name, value in re.findall(r"([A-Z]+):(\d+)", text)}


def main(machine: int, presets: list[str]) -> None:
    found = []
    for preset in presets:
        for name, kernel, types, settings in kernels(preset):
            built = build(kernel, types, settings, machine)
            found.append([f"{preset}: {name}", usage(built)])
    print(json.dumps(found))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
