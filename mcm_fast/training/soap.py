"""SOAP: Adam in the eigenbases of each weight's gradients.

Vyas et al., "SOAP: Improving and Stabilizing Shampoo using Adam", ICLR 2025. For learned codecs:
Zhang and Zhu, "Leveraging Second-Order Curvature for Efficient Learned Image Compression", 2026.

A weight (O, I, k, k) or (O, I) has two bases, one of its outputs and one of its inputs; biases,
tables of levels and the like are left to Adam. Two things differ from the paper, for speed: moments
are kept in the bases, so that a step turns two tensors and not three, and products are of bf16
where the hardware is made for it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

_EVERY = 10  # steps between two bases
_LOOK = 2  # steps between two looks at how the gradients correlate
_MEMORY = 0.95  # of a look
_LEAST = 16  # a smaller matrix has no bases
_EPSILON = 1e-8

State = dict[str, Tensor]


class Soap(torch.optim.Optimizer):
    """Used as torch's fused Adam is: `lr` is a tensor on the device, gradients are divided by
    `grad_scale`, and nothing moves where `found_inf` is set.

    A step reads the latter two on the host, so it is not for a CUDA graph.
    """

    def __init__(
        self,
        parameters: list[nn.Parameter],
        lr: Tensor,
        betas: tuple[float, float] = (0.95, 0.99),
        half: bool = False,
    ):
        super().__init__(parameters, {"lr": lr, "betas": betas})
        self.half = half
        self.grad_scale, self.found_inf = torch.ones(()), torch.zeros(())
        for p in parameters:
            self.state[p] = _first_state(p)

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        if self.found_inf > 0:
            return
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    move = self._move(self.state[p], p.grad / self.grad_scale, *group["betas"])
                    p -= group["lr"] * move

    def _move(self, state: State, gradient: Tensor, beta1: float, beta2: float) -> Tensor:
        """What Adam would subtract at a learning rate of 1; nothing in the very first step, whose
        gradient gives the bases."""
        state["step"] += 1
        count = int(state["step"])
        if "gram_out" not in state:
            return _adam(state, gradient, beta1, beta2, count)
        flat = _flat(gradient)
        if count == 1 or count % _LOOK == 0:
            self._look(state, flat, 1.0 if count == 1 else 1 - _MEMORY)
        if count == 1:
            for side in ("out", "in"):
                state[f"basis_{side}"].copy_(torch.linalg.eigh(state[f"gram_{side}"])[1].flip(1))
            return torch.zeros_like(gradient)
        if count % _EVERY == 0:
            self._new_bases(state)
        out, into = state["basis_out"], state["basis_in"]
        move = _adam(state, self._turn(flat, out, into), beta1, beta2, count - 1)
        return _unflat(self._turn(move, out.T, into.T), gradient)

    def _product(self, a: Tensor, b: Tensor) -> Tensor:
        return (a.bfloat16() @ b.bfloat16()).float() if self.half else a @ b

    def _turn(self, x: Tensor, out: Tensor, into: Tensor) -> Tensor:
        """x (O, n, I) -> out^T x into, at each of the n taps."""
        o, n, i = x.shape
        x = self._product(out.T, x.reshape(o, n * i))
        return self._product(x.view(o * n, i), into).view(o, n, i)

    def _look(self, state: State, flat: Tensor, weight: float) -> None:
        """How the gradient's outputs and its inputs correlate; every look counts alike, however
        large the gradient is."""
        o, n, i = flat.shape
        rows, columns = flat.reshape(o, n * i), flat.reshape(o * n, i)
        power = flat.square().mean() + 1e-30
        state["gram_out"].lerp_(self._product(rows, rows.T) / power, weight)
        state["gram_in"].lerp_(self._product(columns.T, columns) / power, weight)

    def _new_bases(self, state: State) -> None:
        """One step of orthogonal iteration, the moments along."""
        turns, orders = [], []
        for side in ("out", "in"):
            gram, basis = state[f"gram_{side}"], state[f"basis_{side}"]
            product = gram @ basis
            order = (basis * product).sum(0).argsort(descending=True)
            new = torch.linalg.qr(product[:, order])[0]
            turns.append(basis.T @ new)
            orders.append(order)
            basis.copy_(new)
        state["exp_avg"].copy_(self._turn(state["exp_avg"], *turns))
        square = state["exp_avg_sq"][orders[0]]
        state["exp_avg_sq"].copy_(square[:, :, orders[1]])


def _first_state(p: nn.Parameter) -> State:
    state = {"step": torch.zeros((), device=p.device)}
    size = p.shape
    if p.dim() in (2, 4) and min(p.shape[:2]) >= _LEAST:
        size = (p.shape[0], p[0, 0].numel(), p.shape[1])
        for side, n in (("out", p.shape[0]), ("in", p.shape[1])):
            state[f"gram_{side}"] = torch.zeros(n, n, device=p.device)
            state[f"basis_{side}"] = torch.eye(n, device=p.device)
    moments = {name: torch.zeros(size, device=p.device) for name in ("exp_avg", "exp_avg_sq")}
    return state | moments


def _flat(x: Tensor) -> Tensor:
    """(O, I, k, k) or (O, I) -> (O, n, I); a view of what is channels_last."""
    return x.permute(0, 2, 3, 1).flatten(1, 2) if x.dim() == 4 else x[:, None]


def _unflat(flat: Tensor, like: Tensor) -> Tensor:
    if like.dim() == 2:
        return flat[:, 0]
    return flat.unflatten(1, like.shape[2:]).permute(0, 3, 1, 2)


def _adam(state: State, gradient: Tensor, beta1: float, beta2: float, count: int) -> Tensor:
    mean = state["exp_avg"].lerp_(gradient, 1 - beta1)
    square = state["exp_avg_sq"].lerp_(gradient.square(), 1 - beta2)
    size = (square / (1 - beta2**count)).sqrt_().add_(_EPSILON)
    return (mean / (1 - beta1**count)).div_(size)
