"""The training loop: the host plans, the device steps, and now and then the two meet."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import torch

from ..network.model import Network
from ..presets import config_of
from . import checkpoint, data, pca
from .config import Options
from .journal import Journal
from .losses import STATISTICS
from .schedule import Schedule
from .step import Step
from .validation import Point, validate

log = logging.getLogger(__name__)

_INITIAL = {"cpu": 16, "cuda": 256}  # crops for the principal axes
_STREAK = 3  # non-finite steps in a row that end a run


class TrainingError(RuntimeError):
    """The loss or its gradient stopped being finite."""


class Trainer:
    """One run of `Options`, new, resumed (exactly) or from exported weights."""

    def __init__(
        self,
        options: Options,
        resume: bool = False,
        init_from: Path | None = None,
        network: Network | None = None,
        started: float | None = None,
    ):
        self.started = time.monotonic() if started is None else started
        self.options, self.schedule = options, Schedule(options)
        self.cuda = options.device.startswith("cuda")
        options.out.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(options.seed)
        tiles = data.load(options)
        train = tiles.train.to(options.device)
        self.held_out = data.centre(tiles.held_out.to(options.device), options.crop)
        log.info("%.0fs: %d tiles, %d held out", self.seconds, len(train), len(self.held_out))
        resume = resume and (options.out / checkpoint.STATE).exists()
        fresh = not (resume or init_from or network)
        if init_from and not resume:
            network = checkpoint.load_weights(init_from)
        network = (network or Network(config_of(options.preset))).to(options.device)
        if fresh:
            crops = data.centre(train[: _INITIAL["cuda" if self.cuda else "cpu"]], options.crop)
            pca.initialise(network, crops)
        self.step = Step(network.train(), train, options)
        self.number, self.before = 0, 0.0
        if resume:
            position = checkpoint.load_state(options.out, self.step)
            self.number, self.before = position["step"], position["seconds"]
        elif init_from and checkpoint.load_moments(init_from, self.step):
            log.info("moments beside %s taken", init_from)
        self.sampler = data.Sampler(options, len(train), network.config.levels)
        top = network.config.levels - 1
        self.levels = [float(n) for n in (0, 2, 4, 6, 7) if n < top] + [float(top)]
        self.journal = Journal(options.out / "log.csv", self.levels)
        log.info("%.0fs: at step %d", self.seconds, self.number)

    @property
    def seconds(self) -> float:
        """Since the start of this run."""
        return time.monotonic() - self.started

    def run(self) -> list[Point]:
        """Train to the end of the schedule or Ctrl-C; save; return the held-out points."""
        stream = torch.cuda.Stream() if self.cuda else None
        if stream is not None:
            stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            try:
                self._steps()
            except KeyboardInterrupt:
                log.warning("interrupted at step %d: saving", self.number)
            if self.cuda:
                torch.cuda.synchronize()
            self.save()
            points = self.validate()
        return points

    def _steps(self) -> None:
        o = self.options
        every = o.read_every or (100 if self.cuda else 10)
        validate_every = 60 * (o.evaluate_minutes or (1 if self.cuda else 10))
        validated = saved = self.mark = self.seconds
        self.mark_number = self.number
        while not self.schedule.finished(self.number, self.seconds):
            now = self.seconds
            quantized = self.schedule.quantized(self.number, now)
            if quantized != self.step.network.context.quantized:
                self.save()
                self.step.quantize(quantized)
            lr = self.schedule.lr(self.number, now)
            self.step(self.sampler(self.number), lr, self.schedule.ema_weight(self.number))
            self.number += 1
            if self.number % every:
                continue
            self._read(lr)
            if self.seconds - validated > validate_every:
                self.validate()
                validated = self.seconds
            if self.seconds - saved > 60 * o.save_minutes:
                self.save()
                saved = self.seconds
            self.mark, self.mark_number = self.seconds, self.number

    def _read(self, lr: float) -> None:
        """Fetch the device's counters, log them, stop at three non-finite steps in a row."""
        health, sums = self.step.read()
        steps = self.number - self.mark_number
        rate = steps * self.options.batch / max(1e-9, self.seconds - self.mark)
        row = {"step": self.number, "seconds": self.before + self.seconds, "lr": lr}
        self.journal.record(row | {"images_per_second": rate}, health, sums)
        if health["longest"] >= _STREAK:
            parts = [n for n in STATISTICS if health.get(f"bad_{n}")]
            raise TrainingError(
                f"{int(health['longest'])} steps in a row were not finite before step "
                f"{self.number}: {', '.join(parts) or 'the gradient'}; lr {lr:.2e}"
            )

    def validate(self) -> list[Point]:
        points = validate(self.step.ema, self.held_out, self.levels, self.step.amp)
        self.journal.held_out(points)
        return points

    def save(self) -> None:
        position = {"step": self.number, "seconds": self.before + self.seconds}
        checkpoint.save_state(self.options.out, self.step, position)
        checkpoint.save_weights(self.options.out, self.step, self.number)
