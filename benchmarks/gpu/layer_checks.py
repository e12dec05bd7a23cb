"""Checks of the integer layers, of the engine that is made of them, and of the transforms."""

from __future__ import annotations

import torch
from differences import require_equal
from images import made
from rows import say
from torch import Tensor

import mcm_fast
from mcm_fast import Codec
from mcm_fast.evaluation.metrics import psnr
from mcm_fast.exact.cpu import CpuEngine
from mcm_fast.exact.cuda.batch import Batch
from mcm_fast.exact.cuda.device import current, send
from mcm_fast.exact.cuda.engine import CudaEngine
from mcm_fast.exact.model import QUALITY_STEPS
from mcm_fast.exact.wavefront import wavefront_steps

QUALITY = 3333


class Setup:
    """A model, its engines and latents. `sizes`: of y, those to check."""

    def __init__(self, model: str, device: str):
        self.name, self.device, self.sizes = model, torch.device(device), [(1, 1)]

    def engines(self) -> tuple[CudaEngine, CpuEngine]:
        model = Codec.untrained(self.name).integers
        return CudaEngine(model, self.device), CpuEngine(model)

    def items(self, model, spread: float = 3.0):
        """Normally distributed latents of every size, as engines take them."""
        for seed, (height, width) in enumerate(self.sizes):
            generator = torch.Generator().manual_seed(seed)
            quarter = -(-height // 4), -(-width // 4)
            shapes = (model.y_channels, height, width), (model.z_channels, *quarter)
            y, z = (spread * torch.randn(shape, generator=generator) for shape in shapes)
            yield y.round().short(), z.round().short(), QUALITY


def affine(setup: Setup) -> None:
    """Multipliers and biases between levels, by the formula of FORMAT.md, section 2."""
    engine, _ = setup.engines()
    layers = engine._encoder.layers
    qualities = [0, 1, 1429, 5000, 9999, 10000]
    found = layers.affine(len(qualities))
    with current(setup.device):
        on = send({"quality": torch.tensor(qualities, dtype=torch.int32).numpy()}, setup.device)
        layers.affine_at(on["quality"], found)
    for name, levels, got in zip(
        ("multiplier", "bias"), (layers.packed.multiplier, layers.packed.bias), found, strict=True
    ):
        expected = torch.stack([_interpolated(levels.cpu().long(), q) for q in qualities])
        require_equal(f"affine {name}", got.long(), expected)
    say(model=setup.name, qualities=len(qualities), rows=layers.sizes.rows)


def _interpolated(levels: Tensor, quality: int) -> Tensor:
    level, fraction = divmod(quality * (len(levels) - 1), QUALITY_STEPS)
    level, fraction = (level, fraction) if level < len(levels) - 1 else (level - 1, QUALITY_STEPS)
    step = (levels[level + 1] - levels[level]) * fraction + QUALITY_STEPS // 2
    return levels[level] + step.div(QUALITY_STEPS, rounding_mode="floor")


def parameters(setup: Setup) -> None:
    """hyper_layer three times, then context_all."""
    engine, cpu = setup.engines()
    for item in setup.items(engine.model):
        found, expected = engine.parameters(*item), cpu.parameters(*item)
        for part in ("hyper", "mu", "indexes"):
            require_equal(f"{setup.name} {part}", getattr(found, part), getattr(expected, part))
        say(model=setup.name, size=item[0].shape[1:], kernels="hyper_layer, context_all")


def steps(setup: Setup) -> None:
    """context_lazy and context_step at each step, with all latents there."""
    engine, cpu = setup.engines()
    for item in setup.items(engine.model):
        size = (*item[0].shape[1:], QUALITY)
        with current(setup.device):
            found = _stepped(engine, item, size)
        expected = cpu.parameters(*item)
        for part, tensor in zip(("mu", "indexes"), found, strict=True):
            require_equal(f"{setup.name} steps {part}", tensor, getattr(expected, part))
        say(model=setup.name, size=size[:2], kernels="context_lazy, context_step")


def _stepped(engine: CudaEngine, item, size) -> list[Tensor]:
    """mu and indexes as the decoder's kernel says them, step by step, with all of y there."""
    model, device = engine.model, engine.device
    batch = Batch(model, [size], 1)
    wavefront = engine._decoder._wavefront(batch, 1)
    on = send(batch.arrays, device)
    layers = wavefront.layers
    z = item[1].to(device).flatten()
    layers.affine_at(on["quality"], wavefront.affine)
    sizes = batch.z_largest, batch.largest
    layers.hyper_synthesis(z, sizes, on, wavefront.affine, wavefront.features)
    latents = item[0].to(device).permute(1, 2, 0).flatten(0, 1).clamp(-127, 127)
    wavefront.arrays[0][: batch.positions].copy_(latents)
    step, coming = wavefront.coder["t"], wavefront.coming
    for t in range(wavefront_steps(*size[:2], model.slices)):
        step.fill_(t)
        coming.fill_(t)
        layers.context_lazy(wavefront.arrays, wavefront.sums, on, coming)
        state = wavefront.arrays, wavefront.picks, wavefront.sums
        layers.context_step(*state, on, step, coming, wavefront.affine)
    _, _, mu, indexes = (tensor[: batch.positions].clone() for tensor in wavefront.arrays)
    return [batch.planar(tensor)[0] for tensor in (mu, indexes)]


def engine(setup: Setup) -> None:
    """Encoding and decoding whole: images of all sizes one by one, then as one batch."""
    gpu, cpu = setup.engines()
    items = list(setup.items(gpu.model))
    for part in (*([item] for item in items), items):
        expected = cpu.encode(part)
        for (found, _), (wanted, _) in zip(gpu.encode(part), expected, strict=True):
            _require_same_coded(setup.name, found, wanted)
        streams = [
            (coded, *y.shape[1:], quality)
            for (coded, _), (y, _, quality) in zip(expected, part, strict=True)
        ]
        for found, (y, z, _) in zip(gpu.decode(streams), part, strict=True):
            if isinstance(found, Exception):
                raise found
            require_equal(f"{setup.name} decoded z", found[1], z)
            require_equal(f"{setup.name} decoded y", found[0], y)
        say(model=setup.name, sizes=[y.shape[1:] for y, *_ in part], what="encoded, decoded")


def _require_same_coded(name: str, found, expected) -> None:
    for part in ("lanes", "groups"):
        pair = (torch.tensor(getattr(coded, part)) for coded in (found, expected))
        require_equal(f"{name} {part}", *pair)
    for part in ("exception_indexes", "exception_differences"):
        require_equal(f"{name} {part}", getattr(found, part), getattr(expected, part))
    for group, pair in enumerate(zip(found.segments, expected.segments, strict=True)):
        words = (torch.frombuffer(bytearray(segment), dtype=torch.int16) for segment in pair)
        require_equal(f"{name} segment {group}", *words)


def transforms(setup: Setup) -> None:
    """Floating point: both syntheses within 0.02 dB of each other."""
    name = setup.name if setup.name in mcm_fast.models() else "small"
    image = made(*((64, 96) if setup.device.type == "cpu" else (512, 768)))
    cpu = mcm_fast.load(name, "cpu")
    latents = cpu.analysis(image, 50)
    ours = cpu.synthesis(latents, exact=False)
    gpu = mcm_fast.load(name, setup.device, engine="cpu")
    theirs = gpu.synthesis(latents).cpu()
    apart = abs(psnr(ours, image) - psnr(theirs, image))
    levels = int((ours.int() - theirs.int()).abs().max())
    say(model=name, psnr_apart=round(apart, 5), levels_apart=levels)
    if apart > 0.02:
        raise SystemExit(f"the pictures are {apart:.4f} dB apart")


LAYER_CHECKS = {
    "affine": affine,
    "parameters": parameters,
    "steps": steps,
    "engine": engine,
    "transforms": transforms,
}
