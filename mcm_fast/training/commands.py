"""The command `mcm-fast train`."""

from __future__ import annotations

import dataclasses
import logging
import signal
import time
from pathlib import Path
from typing import Annotated

import typer

from .config import Options

_D = Options(steps=1)


def train(
    data: Annotated[
        list[Path], typer.Argument(help="Folders of images or of tar shards, or tars.")
    ],
    out: Annotated[Path, typer.Option(help="Where states, weights and logs go.")] = _D.out,
    preset: Annotated[str, typer.Option(help="The network: tiny, small or base.")] = _D.preset,
    device: Annotated[str | None, typer.Option(help="[default: cuda where there is one]")] = None,
    steps: Annotated[int | None, typer.Option(help="Stop at this step.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Stop after so long, and save.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on exactly from OUT.")] = False,
    init_from: Annotated[Path | None, typer.Option(help="Exported weights to start from.")] = None,
    export: Annotated[Path | None, typer.Option(help="Write the codec's weights here.")] = None,
    batch: int = _D.batch,
    crop: int = _D.crop,
    lr: float = _D.lr,
    warmup: int = _D.warmup,
    clip: float = _D.clip,
    ema: float = _D.ema,
    seed: int = _D.seed,
    alpha: Annotated[float, typer.Option(help="The weight of LPIPS.")] = _D.alpha,
    beta: Annotated[float, typer.Option(help="The weight of 1 - MS-SSIM.")] = _D.beta,
    lpips: Annotated[Path | None, typer.Option(help="The folder of LPIPS' weights.")] = None,
    decay_steps: int = 0,
    decay_minutes: float = 0.0,
    quantize_steps: int = 0,
    quantize_minutes: float = 0.0,
    compile: Annotated[bool | None, typer.Option(help="[default: on a GPU]")] = None,
    graph: Annotated[bool | None, typer.Option(help="A CUDA graph. [default: yes]")] = None,
    amp: bool = _D.amp,
    evaluate_minutes: float = 0.0,
    read_every: int = 0,
    benchmark: Annotated[bool, typer.Option("--benchmark", help="Time steps, then end.")] = False,
) -> None:
    """Train a network."""
    given = dict(locals())
    started = time.monotonic()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # saves, as Ctrl-C does
    import torch

    torch.set_flush_denormal(True)
    given["device"] = device or ("cuda" if torch.cuda.is_available() else "cpu")
    given["data"] = tuple(data)
    if benchmark and steps is None and minutes is None:
        given["steps"] = 1
    names = {field.name for field in dataclasses.fields(Options)}
    options = Options(**{k: v for k, v in given.items() if k in names})
    if benchmark:
        _benchmark(options)
        return
    from .loop import Trainer

    trainer = Trainer(options, resume, init_from, started=started)
    trainer.run()
    if export is not None:
        from mcm_fast.exact.weights import save

        save(trainer.step.ema.cpu(), export)


def _benchmark(options: Options) -> None:
    from ..network.model import Network
    from ..presets import config_of
    from .benchmark import benchmark

    benchmark(Network(config_of(options.preset)), options)
