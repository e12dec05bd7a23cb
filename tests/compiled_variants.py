"""How many variants of each Triton kernel are compiled for launches of many sizes: prints JSON.

    python compiled_variants.py MODEL

Triton's own just-in-time path, with a driver that loads and launches nothing: the signature, the
specialisation and the keywords of each launch are what they would be on a GPU of sm_90. A second
variant would mean that some image's size makes the first use of a batch wait for a compiler.
"""

import collections
import json
import sys

import numpy as np
import torch
import triton.runtime
from triton.backends.compiler import GPUTarget

LAUNCHES = collections.Counter()
DEPENDENT = set()  # kernels that are launched while the one before them still runs


class Utils:
    """What is asked of a GPU."""

    def load_binary(self, *_):
        return 1, 1, 100, 0, 1024

    def get_device_properties(self, device):
        return {"max_shared_mem": 232448, "multiprocessor_count": 132, "warpSize": 32}


class Launcher:
    def __init__(self, source, metadata):
        self.name = source.fn.__name__
        if metadata.launch_pdl:
            DEPENDENT.add(self.name)

    def __call__(self, *_):
        LAUNCHES[self.name] += 1


class Driver:
    utils, launcher_cls = Utils(), Launcher

    def get_current_device(self):
        return 0

    def get_current_stream(self, device):
        return 0

    def get_current_target(self):
        return GPUTarget("cuda", 90, 32)

    def get_device_interface(self):
        return torch.cuda

    def map_python_to_cpp_type(self, kind):
        return kind


def without_coder(device, name: str, fields: dict) -> None:
    """Nothing is decoded, and nothing is wrong."""
    if name == "begin":
        fields["error"].zero_()


def engine_of(name: str):
    """The engine as on a GPU, with its tensors on the host and without the coder."""
    from mcm_fast import Codec
    from mcm_fast.exact.cuda import encode, layers, wavefront
    from mcm_fast.exact.cuda.engine import CudaEngine
    from mcm_fast.kernels import context, hyper, layer, step

    layers._kernels = lambda device: (context, step, hyper, layer)
    wavefront.launch = encode.launch = without_coder
    return CudaEngine(Codec.untrained(name).integers, "cpu")


def launches(engine) -> None:
    """Batches of one image and of many, of one position and of thousands."""
    from mcm_fast.exact.engine import Coded

    coded = Coded(32, 1, np.zeros(0, np.int64), np.zeros(0, np.int16), [b"\0" * 128])
    model = engine.model
    for sizes in ([(1, 1)], [(32, 48)], [(1, 5), (7, 3), (9, 9)], [(135, 240)], [(2, 2)] * 8):
        latents = [
            (
                torch.zeros(model.y_channels, h, w, dtype=torch.int16),
                torch.zeros(model.z_channels, -(-h // 4), -(-w // 4), dtype=torch.int16),
                5000,
            )
            for h, w in sizes
        ]
        engine._encoder.parameters(latents)
        engine.decode([(coded, h, w, 5000) for h, w in sizes])


def main(name: str) -> None:
    triton.runtime.driver.set_active(Driver())
    engine = engine_of(name)
    launches(engine)
    modules = engine._decoder.layers
    kernels = {
        "context_lazy": modules.step.context_lazy,
        "context_step": modules.step.context_step,
        "context_all": modules.context.context_all,
        "hyper_layer": modules.hyper.hyper_layer,
        "affine_at": modules.layer.affine_at,
    }
    variants = {key: len(kernel.device_caches[0][0]) for key, kernel in kernels.items()}
    found = {"variants": variants, "launches": LAUNCHES, "dependent": sorted(DEPENDENT)}
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
