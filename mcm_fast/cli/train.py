"""The command `mcm-fast train`. Torch is imported when it runs."""

from __future__ import annotations

import dataclasses
import logging
import signal
import time
from pathlib import Path
from typing import Annotated

import typer

from ..training.config import RECIPES, Options, recipe

_D = Options(steps=1)
_CONFIG = f"{', '.join(RECIPES)}, or a JSON file of options; what is given here goes first."


Data = Annotated[list[Path], typer.Argument(help="Folders of images or of tar shards, or tars.")]
InitFrom = Annotated[
    Path | None, typer.Option(help="Exported weights or a model file to start from.")
]
Inverse = Annotated[float, typer.Option(help="The weight of latents that change when coded again.")]
Cap = Annotated[float, typer.Option(help="A sample's cost above it counts by its logarithm.")]
EndsWeight = Annotated[float, typer.Option(help="The ends of the range count 1 + so many times.")]
Synthetic = Annotated[
    float, typer.Option(help="The share of text, line art, screens, flat and gray.")
]
Parts = Annotated[
    str | None, typer.Option(help="all or synthesis. [default: synthesis with --gan]")
]
Optimizer = Annotated[str, typer.Option(help="adam or soap.")]
Pictures = Annotated[bool, typer.Option(help="A PNG of held-out crops at each evaluation.")]


def train(
    context: typer.Context,
    data: Data,
    config: Annotated[str, typer.Option(help=_CONFIG)] = "mse",
    out: Annotated[Path, typer.Option(help="Where states, weights and logs go.")] = _D.out,
    preset: Annotated[str, typer.Option(help="The network: tiny, small or base.")] = _D.preset,
    device: Annotated[str | None, typer.Option(help="[default: cuda where there is one]")] = None,
    steps: Annotated[int | None, typer.Option(help="Stop at this step.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Stop after so long, and save.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on exactly from OUT.")] = False,
    init_from: InitFrom = None,
    export: Annotated[Path | None, typer.Option(help="Write the codec's model here.")] = None,
    batch: Annotated[int, typer.Option(help="Crops a step and device.")] = _D.batch,
    crop: int = _D.crop,
    tile: Annotated[int, typer.Option(help="Images are kept in tiles of this size.")] = _D.tile,
    optimizer: Optimizer = _D.optimizer,
    lr: float = _D.lr,
    warmup: Annotated[int, typer.Option(help="Steps.")] = _D.warmup,
    clip: Annotated[float, typer.Option(help="Of the gradient's norm.")] = _D.clip,
    ema: float = _D.ema,
    seed: int = _D.seed,
    alpha: Annotated[float, typer.Option(help="The weight of LPIPS.")] = _D.alpha,
    beta: Annotated[float, typer.Option(help="The weight of 1 - MS-SSIM.")] = _D.beta,
    gan: Annotated[float, typer.Option(help="The weight of D_gan.")] = _D.gan,
    inverse: Inverse = _D.inverse,
    cap: Cap = _D.cap,
    ends_weight: EndsWeight = _D.ends_weight,
    ends: Annotated[float, typer.Option(help="Levels move to the ends: 0 .. 1.")] = _D.ends,
    synthetic: Synthetic = _D.synthetic,
    cache: Annotated[Path | None, typer.Option(help="A folder for decoded tiles.")] = None,
    lpips: Annotated[Path | None, typer.Option(help="The folder of LPIPS' weights.")] = None,
    parts: Parts = None,
    decay_steps: Annotated[int, typer.Option(help="The last steps decay to zero.")] = 0,
    decay_minutes: float = 0.0,
    quantize_steps: Annotated[int, typer.Option(help="The last steps train the integers.")] = 0,
    quantize_minutes: float = 0.0,
    compile: Annotated[bool | None, typer.Option(help="[default: on a GPU]")] = None,
    graph: Annotated[bool | None, typer.Option(help="A CUDA graph. [default: yes]")] = None,
    amp: Annotated[bool | None, typer.Option(help="bf16. [default: on a GPU]")] = None,
    evaluate_minutes: Annotated[float, typer.Option(help="[default: 1; CPU: 10]")] = 0.0,
    read_every: Annotated[int, typer.Option(help="Steps. [default: 100; CPU: 10]")] = 0,
    pictures: Pictures = False,
    benchmark: Annotated[bool, typer.Option("--benchmark", help="Time steps, then end.")] = False,
) -> None:
    """Train a network."""
    given = dict(locals())
    started = time.monotonic()
    if benchmark and steps is None and minutes is None:
        given["steps"] = 1
    _train(_options(context, given), given, started)


def _options(context: typer.Context, given: dict[str, object]) -> Options:
    """The defaults, over them the recipe, over it what stands on the command line."""
    names = {field.name for field in dataclasses.fields(Options)}
    chosen = recipe(given["config"])
    for name in names & given.keys():
        source = context.get_parameter_source(name)
        is_set = source is not None and source.name == "COMMANDLINE"
        if is_set or (name not in chosen and given[name] is not None):
            chosen[name] = given[name]
    if given["device"] is None and "device" not in chosen:
        import torch

        chosen["device"] = "cuda" if torch.cuda.is_available() else "cpu"
    return Options(**chosen | {"data": tuple(chosen["data"])})


def _train(options: Options, given: dict[str, object], started: float) -> None:
    import torch

    from ..training.distributed import join, leave

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_flush_denormal(True)
    base, target = given["init_from"], given["export"]
    if target is not None and options.parts != "all" and base is None:
        raise ValueError("to export a rendering, name with --init-from the model that it joins")
    if given["benchmark"]:
        _benchmark(options)
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # saves, as Ctrl-C does
    world, device = join(options.device)
    from ..training.loop import Trainer

    options = dataclasses.replace(options, device=device)
    trainer = Trainer(options, given["resume"], base, started=started, world=world)
    trainer.run()
    network = trainer.step.ema
    del trainer  # it holds the group
    leave()
    if target is not None and world.is_first:
        _export(options, network.cpu(), base, target)


def _export(options: Options, network: object, base: Path | None, target: Path) -> None:
    from .. import model_file
    from ..training.export import put_synthesis

    if options.parts != "all":
        put_synthesis(base, network, target)
    else:
        model_file.save(network, target)


def _benchmark(options: Options) -> None:
    from ..network.model import Network
    from ..presets import config_of
    from ..training.benchmark import benchmark

    benchmark(Network(config_of(options.preset)), options)
