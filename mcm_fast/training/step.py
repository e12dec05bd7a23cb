"""One training step on the device, with nothing read back by the host.

Whatever may be read later (statistics, gradient norms, steps skipped) is summed on the device. On a
GPU the forward and backward passes are compiled and the whole step is captured in a CUDA graph;
where either fails, the step runs without it and says so.
"""

from __future__ import annotations

import copy
import logging

import torch
from torch import Tensor, nn

from ..network.model import Network
from .config import Options
from .data import Plan, crop
from .losses import STATISTICS, Objective

log = logging.getLogger(__name__)

HEALTH = ("steps", "norm", "skipped", "streak", "longest", "bad_mse", "bad_y_bpp", "bad_z_bpp")
_WARM = 3  # steps before a graph is captured: they compile, tune and allocate


class _OnCrops(nn.Module):
    """The objective on crops cut on the device, so that cutting is compiled with it."""

    def __init__(self, objective: Objective, size: int):
        super().__init__()
        self.objective, self.size = objective, size

    def forward(self, tiles: Tensor, geometry: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
        image = crop(tiles, geometry, self.size)
        if image.is_cuda:
            image = image.contiguous(memory_format=torch.channels_last)
        return self.objective(image, level)


class Step:
    """Weights, their average, the optimiser, and the step that moves them."""

    def __init__(self, network: Network, tiles: Tensor, options: Options, world: int = 1):
        self.device = torch.device(options.device)
        cuda = self.device.type == "cuda"
        self.network = network.to(self.device)
        if cuda:
            self.network.to(memory_format=torch.channels_last)
        self.ema = copy.deepcopy(self.network).eval().requires_grad_(False)
        self.amp = options.amp and cuda
        objective = Objective(self.network, options, self.amp).to(self.device)
        self.run: nn.Module = _OnCrops(objective, options.crop)
        if world > 1:
            self.run = nn.parallel.DistributedDataParallel(self.run)
        self.eager = self.run
        self.compiled = cuda if options.compile is None else options.compile
        self.graphed = (cuda if options.graph is None else options.graph and cuda) and world == 1
        self.clip, self.tiles = options.clip, tiles
        self._allocate(options.batch)
        self._start()

    def _allocate(self, batch: int) -> None:
        d = self.device
        self.parameters = list(self.network.parameters())
        self.averages = list(self.ema.parameters())
        self.lr, self.ema_weight = torch.zeros((), device=d), torch.zeros((), device=d)
        self.optimizer = torch.optim.Adam(
            self.parameters, self.lr, fused=True, capturable=d.type == "cuda"
        )
        for p in self.parameters:
            moments = {"exp_avg": torch.zeros_like(p), "exp_avg_sq": torch.zeros_like(p)}
            self.optimizer.state[p] = {"step": torch.zeros((), device=d), **moments}
        self.geometry = torch.zeros(batch, 6, dtype=torch.int64, device=d)
        self.level = torch.zeros(batch, device=d)
        levels = self.network.config.levels
        self.statistics = torch.zeros(levels, len(STATISTICS), device=d)
        self.health = torch.zeros(len(HEALTH), device=d)

    def _start(self) -> None:
        """Compile, and forget the graph: at the start, and when fake quantisation is toggled."""
        self.graph: torch.cuda.CUDAGraph | None = None
        self.warm = 0
        if self.compiled:
            self.run = torch.compile(self.eager, dynamic=False)

    def quantize(self, quantized: bool) -> None:
        if self.network.context.quantized != quantized:
            self.network.quantize(quantized)
            self.ema.quantize(quantized)
            self._start()

    def __call__(self, plan: Plan, lr: float, ema_weight: float) -> None:
        """One step; returns at once on a GPU."""
        self._copy(self.geometry, plan.geometry)
        self._copy(self.level, plan.level)
        self.lr.fill_(lr)
        self.ema_weight.fill_(ema_weight)
        if self.graph is None and self.graphed and self.warm >= _WARM:
            self._capture()
        if self.graph is not None:
            self.graph.replay()
            return
        self.warm += 1
        try:
            self._body()
        except Exception as error:
            if not self.compiled or self.warm > 1:
                raise
            log.warning("torch.compile failed, going on without: %s", str(error)[:500])
            self.compiled, self.run = False, self.eager
            self._body()

    def _copy(self, to: Tensor, source: Tensor) -> None:
        to.copy_(source.pin_memory() if to.is_cuda else source, non_blocking=True)

    def _capture(self) -> None:
        graph = torch.cuda.CUDAGraph()
        try:
            stream = torch.cuda.current_stream()
            with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
                self._body()
            self.graph = graph
        except Exception as error:
            log.warning("no CUDA graph, going on without: %s", str(error)[:500])
            self.graphed = False

    def _body(self) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        loss, statistics = self.run(self.tiles, self.geometry, self.level)
        loss.backward()
        norm = nn.utils.get_total_norm([p.grad for p in self.parameters if p.grad is not None])
        bad = ~(torch.isfinite(norm) & torch.isfinite(loss.detach()))
        # The fused optimiser divides by one and does nothing where the other is set.
        self.optimizer.grad_scale = (norm / self.clip).clamp(min=1.0)
        self.optimizer.found_inf = bad.float()
        self.optimizer.step()
        self._average()
        self._count(statistics, norm, bad)

    def _average(self) -> None:
        """ema += weight * (parameters - ema); a skipped step moves it too, which does no harm."""
        with torch.no_grad():
            delta = torch._foreach_sub(self.parameters, self.averages)
            torch._foreach_mul_(delta, self.ema_weight)
            torch._foreach_add_(self.averages, delta)

    def _count(self, statistics: Tensor, norm: Tensor, bad: Tensor) -> None:
        self.statistics += torch.where(bad, 0.0, statistics)
        finite = torch.isfinite(statistics.sum(0))
        where = {name: ~finite[STATISTICS.index(name)] for name in ("mse", "y_bpp", "z_bpp")}
        steps, total, skipped, streak, longest, *parts = self.health.unbind()
        streak = torch.where(bad, streak + 1, torch.zeros_like(streak))
        parts = [p + where[n[4:]] for p, n in zip(parts, HEALTH[5:], strict=True)]
        total = total + torch.where(bad, 0.0, norm.clamp(max=1e9))
        longest = torch.maximum(longest, streak)
        self.health.copy_(torch.stack((steps + 1, total, skipped + bad, streak, longest, *parts)))

    def read(self) -> tuple[dict[str, float], Tensor]:
        """What happened since the last call: HEALTH by name and STATISTICS (L, 5); waits."""
        health = dict(zip(HEALTH, self.health.tolist(), strict=True))
        statistics = self.statistics.clone().cpu()
        streak = self.health[HEALTH.index("streak")].clone()
        self.health.zero_()
        self.health[HEALTH.index("streak")] = streak
        self.statistics.zero_()
        return health, statistics
