"""The search: gradient steps point the way, true bytes and true pixels decide.

    plain rounding --annealing--> candidate          window by window (`windows`)
    kept: the one of least J (`goal`), by `Codec.encode` and `Codec.synthesis`

Same image, options and machine: same latents, so same bytes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..inputs import check_rendering
from ..latents import Latents
from ..limits import QUALITY_STEPS
from ..state import undisturbed
from .annealing import anneal
from .budget import Budget, budget_of
from .goal import LAMBDA, Goal, goal_of
from .start import start
from .surrogate import Surrogate
from .windows import Window, windows

if TYPE_CHECKING:
    from ..codec import Codec

Progress = Callable[[float], None]  # is told the share of the work that is done, 0 .. 1


def improve(
    codec: Codec,
    image: Tensor,
    latents: Latents,
    *,
    effort: int,
    rendering: str = "faithful",
    objective: str = "psnr",
    importance: object = None,
    progress: Progress | None = None,
) -> Latents:
    """Better latents of an image than `latents`, or those themselves.

    Args:
        codec: whose decoder the latents are for.
        image: (3, H, W), uint8 or float in [0, 1].
        latents: what `codec.analysis` made of it at some quality.
        effort: 0: nothing is searched; 1 .. 9: see `budget`.
        rendering: the one whose pixels count.
        objective: "psnr" or "ms-ssim".
        importance: a map (H, W) of numbers that are not negative: squared errors are multiplied
            by it, so that 1 everywhere changes nothing.
        progress: called now and then.

    Raises ValueError for anything else, ImportError where MS-SSIM's package is missing.
    """
    if effort == 0 and type(effort) is int:
        if importance is not None:
            raise ValueError("importance needs an effort of 1 .. 9, not 0")
        return latents
    budget = budget_of(effort)
    synthesis = check_rendering(rendering, codec.renderings)
    with undisturbed(), torch.enable_grad():
        config = codec.network.config
        value = latents.quality_steps * (config.levels - 1) / QUALITY_STEPS
        level = torch.full((1,), value, dtype=torch.float32, device=codec.device)
        image = image.detach().to(codec.device, copy=True)
        options = LAMBDA * config.lmbda(value), objective, importance
        goal = goal_of(image, latents.transposed, *options)
        surrogate = Surrogate(codec.network, synthesis, level)
        search = _Search(codec, rendering, goal, surrogate, budget, progress)
        weights = None if goal.weights is None else goal.weights[0, 0]
        return search.run(latents, *start(codec, image, latents, weights, value))


@dataclasses.dataclass
class _Search:
    codec: Codec
    rendering: str
    goal: Goal
    surrogate: Surrogate
    budget: Budget
    progress: Progress | None
    done: int = 0
    total: int = 1

    def run(self, plain: Latents, y: Tensor, z: Tensor) -> Latents:
        """From plain latents and what they were before rounding, to the best."""
        generator = torch.Generator(self.codec.device).manual_seed(0)
        parts = windows(*plain.y.shape[1:])
        self.total = len(parts) * self.budget.steps
        # Clones, because both are written to, window by window.
        best = dataclasses.replace(plain, y=plain.y.clone(), z=plain.z.clone())
        for part in parts:
            self._improve_window(part, best, y, z, generator)
        as_coded = len(parts) == 1 and not plain.gray and not plain.sides
        if not as_coded and self._cost(self.goal, best) >= self._cost(self.goal, plain):
            return plain
        return best

    def _improve_window(
        self, window: Window, best: Latents, y: Tensor, z: Tensor, generator: torch.Generator
    ) -> None:
        """Search a window from y and z, and write what is better into `best`."""
        of_y, of_z = (..., *window.of_y()), (..., *window.of_z())
        goal = self.goal.part(*window.of_pixels(*self.goal.image.shape[2:]))
        height, width = goal.image.shape[2:]
        before = Latents(best.y[of_y], best.z[of_z], width, height, best.quality_steps, False)
        start_y, start_z, free = y[of_y], z[of_z], window.free(self.codec.device)
        if free is not None:
            start_y = torch.where(free[0], start_y, before.y[None].to(y))
            start_z = torch.where(free[1], start_z, before.z[None].to(z))
        rate, loss = self._parts(goal, before)
        start, budget = (start_y, start_z, free), self.budget.bolder(loss)
        found = anneal(self.surrogate, goal, *start, budget, generator, self._step)
        after_y, after_z = (t[0].clamp(-(2**15), 2**15 - 1).to(torch.int16) for t in found)
        after = dataclasses.replace(before, y=after_y, z=after_z)
        if self._cost(goal, after) < rate + loss:
            best.y[of_y], best.z[of_z] = after.y, after.z

    def _cost(self, goal: Goal, latents: Latents) -> float:
        return sum(self._parts(goal, latents))

    @torch.no_grad()
    def _parts(self, goal: Goal, latents: Latents) -> tuple[float, float]:
        """Both terms of J, by true bytes and true pixels."""
        bits = 8 * len(self.codec.encode(latents))
        # Floats: what the gradient is of, and the same search wherever a decoder's file is or not.
        decoded = self.codec.synthesis(latents, self.rendering, exact=False)
        decoded = decoded.transpose(1, 2) if latents.transposed else decoded
        loss = goal.cost(0.0, decoded[None].float() / 255).item()
        return bits / goal.pixels, loss

    def _step(self) -> None:
        self.done += 1
        if self.progress is not None:
            self.progress(self.done / self.total)
