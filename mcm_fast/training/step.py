"""One training step on the device, with nothing read back by the host.

Whatever may be read later (statistics, gradient norms, steps skipped) is summed on the device. On a
GPU the forward and backward passes are compiled and the whole step is captured in a CUDA graph;
where either fails, the step runs without it and says so.
"""

from __future__ import annotations

import copy
import logging

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ..network.model import Network
from . import half_gradients
from .adversarial import Discriminator, Rival
from .config import Options
from .data import Plan, crop
from .distributed import World, total
from .losses import STATISTICS, Objective
from .schedule import Phase
from .soap import Soap

log = logging.getLogger(__name__)

HEALTH = ("steps", "norm", "skipped", "streak", "longest", "bad_mse", "bad_y_bpp", "bad_z_bpp")
_WARM = 3  # steps before a graph is captured: they compile, tune and allocate


class Step:
    """Weights, their average, the optimiser, and the step that moves them."""

    def __init__(
        self,
        network: Network,
        tiles: Tensor,
        options: Options,
        world: World = World(),  # noqa: B008 (a constant)
    ):
        self.device, self.world = torch.device(options.device), world
        cuda = self.device.type == "cuda"
        self.network = network.to(self.device)
        if cuda:
            torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
            torch.backends.cudnn.benchmark = True
        half = options.half_gradients
        if half is None:
            half = not cuda and not options.compile and half_gradients.is_fast()
        self.channels_last = cuda or half
        if self.channels_last:
            self.network.to(memory_format=torch.channels_last)
        self.ema = copy.deepcopy(self.network).eval().requires_grad_(False)
        if half:
            half_gradients.apply(self.network)
        if options.parts != "all":
            self.network.requires_grad_(False)
            self.network.synthesis.requires_grad_(True)
        self.amp = cuda if options.amp is None else options.amp
        self.compiled = cuda if options.compile is None else options.compile
        self.graphed = (cuda if options.graph is None else options.graph and cuda) and (
            world.size == 1 and options.optimizer == "adam"
        )
        self.clip, self.size, self.tiles = options.clip, options.crop, tiles
        self.phase = Phase()
        self._allocate(options)
        self._build(options)
        self._start()

    def _allocate(self, options: Options) -> None:
        d, batch = self.device, options.batch
        self.parameters = list(self.network.parameters())
        self.averages = list(self.ema.parameters())
        self.lr, self.ema_weight = torch.zeros((), device=d), torch.zeros((), device=d)
        self.optimizer = self._optimizer(options)
        self.geometry = torch.zeros(batch, 6, dtype=torch.int64, device=d)
        self.level = torch.zeros(batch, device=d)
        levels = self.network.config.levels
        self.statistics = torch.zeros(levels, len(STATISTICS), device=d)
        self.health = torch.zeros(len(HEALTH), device=d)

    def _optimizer(self, options: Options) -> torch.optim.Optimizer:
        if options.optimizer == "adam":
            return self._adam(self.parameters)
        half = self.device.type == "cuda" or half_gradients.is_fast()
        return Soap(self.parameters, self.lr, half=half)

    def _adam(self, parameters: list[nn.Parameter]) -> torch.optim.Adam:
        """Adam whose learning rate and state are on the device from the start."""
        on_gpu = self.device.type == "cuda"
        adam = torch.optim.Adam(parameters, self.lr, fused=True, capturable=on_gpu)
        for p in parameters:
            moments = {"exp_avg": torch.zeros_like(p), "exp_avg_sq": torch.zeros_like(p)}
            adam.state[p] = {"step": torch.zeros((), device=self.device), **moments}
        return adam

    def _build(self, options: Options) -> None:
        """The objective, and its discriminator where D_gan counts."""
        self.rival: Rival | None = None
        discriminator = None
        if options.gan > 0:
            discriminator = Discriminator(self.network.config.latent).to(self.device)
            adam = self._adam(list(discriminator.parameters()))
            self.rival = Rival(discriminator, adam, self.world)
        self.objective = Objective(self.network, options, self.amp, discriminator)
        self.objective.to(self.device)
        self.program: nn.Module = self.objective
        if self.world.size > 1:
            self.program = nn.parallel.DistributedDataParallel(
                self.objective, broadcast_buffers=False
            )
            if self.rival is not None:
                for tensor in discriminator.state_dict().values():
                    dist.broadcast(tensor, 0)

    def _start(self) -> None:
        """Compile, and forget the graph: at the start, and in every new phase."""
        self.graph: torch.cuda.CUDAGraph | None = None
        self.warm = 0
        self.crop, self.run = crop, self.program
        if self.compiled:  # apart, so that more tiles do not mean compiling the network again
            self.crop = torch.compile(crop, dynamic=False)
            self.run = torch.compile(self.program, dynamic=False)

    def enter(self, phase: Phase) -> None:
        """Go on in another phase."""
        if phase != self.phase:
            self.network.quantize(phase.quantized)
            self.ema.quantize(phase.quantized)
            self.objective.structural = phase.structural
            self.phase = phase
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
            self.compiled, self.crop, self.run = False, crop, self.program
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
        image = self.crop(self.tiles, self.geometry, self.size)
        if self.channels_last:
            image = image.contiguous(memory_format=torch.channels_last)
        out = self.run(image, self.level)
        out.loss.backward()
        norm = nn.utils.get_total_norm([p.grad for p in self.parameters if p.grad is not None])
        bad = ~(torch.isfinite(norm) & torch.isfinite(out.loss.detach()))
        bad = total(bad.float(), self.world) > 0
        # The fused optimiser divides by one and does nothing where the other is set.
        self.optimizer.grad_scale = (norm / self.clip).clamp(min=1.0)
        self.optimizer.found_inf = bad.float()
        self.optimizer.step()
        self._average()
        self._count(out.statistics, norm, bad)
        if self.rival is not None:
            self.rival.step(image, out.decoded, out.latents, bad)

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
        """What happened since the last call: HEALTH by name and STATISTICS of each level (of all
        processes); waits."""
        health = dict(zip(HEALTH, self.health.tolist(), strict=True))
        statistics = total(self.statistics.clone(), self.world).cpu()
        streak = self.health[HEALTH.index("streak")].clone()
        self.health.zero_()
        self.health[HEALTH.index("streak")] = streak
        self.statistics.zero_()
        return health, statistics
