"""The training loop: the host plans, the device steps, and now and then the two meet."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import torch
from torch import Tensor

from ..network.model import Network
from ..presets import config_of
from . import checkpoint, data, distributed, pca, pictures, tile_cache
from .config import Options
from .display import Display
from .distributed import World
from .journal import Journal
from .losses import STATISTICS
from .schedule import Schedule
from .step import Step
from .validation import Point, validate

log = logging.getLogger(__name__)

_INITIAL = {"cpu": 16, "cuda": 256}  # crops for the principal axes
_STREAK = 3  # non-finite steps in a row that end a run
LOG, PLOT = "log.csv", "log.png"


class TrainingError(RuntimeError):
    """The loss or its gradient stopped being finite."""


class Trainer:
    """One run of `Options`, new, resumed (exactly) or from exported weights.

    `started` is the process' start by time.monotonic, where the run's minutes count from.
    """

    def __init__(
        self,
        options: Options,
        resume: bool = False,
        init_from: Path | None = None,
        network: Network | None = None,
        started: float | None = None,
        world: World = World(),  # noqa: B008 (a constant)
    ):
        self.started = time.monotonic() if started is None else started
        self.options, self.schedule, self.world = options, Schedule(options), world
        self.cuda = options.device.startswith("cuda")
        options.out.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(options.seed + world.rank)
        tiles = tile_cache.load(options)
        train = tiles.train.to(options.device)
        self.held_out = data.centre(tiles.held_out.to(options.device), options.crop)
        log.info("%.0fs: %d tiles, %d held out", self.seconds, len(train), len(self.held_out))
        resume = resume and (options.out / checkpoint.STATE).exists()
        if network is None and init_from and not resume:
            network = checkpoint.load_weights(init_from)
        elif network is None:
            network = self._new_network(train, initialise=not resume)
        self.step = Step(network.train(), train, options, world)
        self.number, self.before = 0, 0.0
        if resume:
            position = checkpoint.load_state(options.out, self.step)
            self.number, self.before = position["step"], position["seconds"]
        elif init_from and checkpoint.load_moments(init_from, self.step):
            log.info("moments beside %s taken", init_from)
        self._prepare(network, len(train))
        log.info("%.0fs: at step %d", self.seconds, self.number)

    def _new_network(self, train: Tensor, initialise: bool) -> Network:
        network = Network(config_of(self.options.preset)).to(self.options.device)
        if initialise:
            count = _INITIAL["cuda" if self.cuda else "cpu"]
            pca.initialise(network, data.centre(train[:count], self.options.crop))
        return network

    def _prepare(self, network: Network, tiles: int) -> None:
        o, world = self.options, self.world
        self.sampler = data.Sampler(o, tiles, network.config.levels, *world)
        top = network.config.levels - 1
        self.levels = [float(n) for n in (0, 2, 4, 6, 7) if n < top] + [float(top)]
        self.display = Display(f"{network.config.name} in {o.out}", quiet=not world.is_first)
        self.journal = Journal(o.out / LOG, self.levels, self.display)

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
            finally:
                self.display.close()
            if self.cuda:
                torch.cuda.synchronize()
            self.save()
            points = self.validate()
        self._plot()
        return points

    def _steps(self) -> None:
        o, cuda = self.options, self.cuda
        every = o.read_every or (100 if cuda else 10)
        self.validated = self.saved = self.mark = self.seconds
        self.mark_number = self.number
        while True:
            now = self.seconds
            if o.minutes is not None:
                now = distributed.agree(now, self.world)
            if self.schedule.finished(self.number, now):
                return
            phase = self.schedule.phase(self.number, now)
            if phase != self.step.phase:
                self.save()
                self.step.enter(phase)
            lr = self.schedule.lr(self.number, now)
            self.step(self.sampler(self.number), lr, self.schedule.ema_weight(self.number))
            self.number += 1
            if self.number % every == 0:
                self._read(lr)
                self._now_and_then()
                self.mark, self.mark_number = self.seconds, self.number

    def _read(self, lr: float) -> None:
        """Fetch the device's counters, log them, stop at three non-finite steps in a row."""
        health, sums = self.step.read()
        images = (self.number - self.mark_number) * self.options.batch * self.world.size
        rate = images / max(1e-9, self.seconds - self.mark)
        row = {"step": self.number, "seconds": self.before + self.seconds, "lr": lr}
        if self.world.is_first:
            done = self.schedule.done(self.number, self.seconds)
            self.journal.record(row | {"images_per_second": rate}, health, sums, done)
        if health["longest"] >= _STREAK:
            parts = [n for n in STATISTICS if health.get(f"bad_{n}")]
            raise TrainingError(
                f"{int(health['longest'])} steps in a row were not finite before step "
                f"{self.number}: {', '.join(parts) or 'the gradient'}; lr {lr:.2e}"
            )

    def _now_and_then(self) -> None:
        """Evaluate and save where it is time."""
        if self.seconds - self.validated > 60 * (
            self.options.evaluate_minutes or (1 if self.cuda else 10)
        ):
            self.validate()
            self.validated = self.seconds
        if self.seconds - self.saved > 60 * self.options.save_minutes:
            self.save()
            self.saved = self.seconds

    def validate(self) -> list[Point]:
        """The averaged weights on the held-out crops; nothing in processes but the first."""
        if not self.world.is_first:
            return []
        points = validate(self.step.ema, self.held_out, self.levels, self.step.amp)
        self.journal.held_out(points)
        if self.options.pictures:
            path = self.options.out / "pictures" / f"{self.number:07d}.png"
            pictures.reconstructions(self.step.ema, self.held_out, self.levels[::2], path)
        return points

    def save(self) -> None:
        if self.world.is_first:
            position = {"step": self.number, "seconds": self.before + self.seconds}
            checkpoint.save_state(self.options.out, self.step, position)
            checkpoint.save_weights(self.options.out, self.step, self.number)

    def _plot(self) -> None:
        if self.world.is_first and (self.options.out / LOG).exists():
            try:
                pictures.plot(self.options.out / LOG, self.options.out / PLOT)
            except ImportError as error:
                log.info("no plot: %s", error)
