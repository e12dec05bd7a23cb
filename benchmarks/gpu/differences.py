"""What two arrays differ in: said in words, and kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from rows import say
from torch import Tensor


class Different(Exception):
    """Integers that should be equal are not."""


def require_equal(name: str, found: Tensor | np.ndarray, expected: Tensor | np.ndarray) -> None:
    """Raises Different with the first place, and keeps both in the working directory."""
    found, expected = (torch.as_tensor(array).detach().cpu() for array in (found, expected))
    if found.shape == expected.shape and torch.equal(found, expected):
        return
    file = Path("-".join(name.split()) + ".npz")
    np.savez_compressed(file, found=found.numpy(), expected=expected.numpy())
    if found.shape != expected.shape:
        raise Different(f"{name}: {tuple(found.shape)}, not {tuple(expected.shape)}")
    wrong = (found != expected).nonzero()
    place = tuple(wrong[0].tolist())
    row = {"different": name, "places": len(wrong), "of": found.numel(), "first": place}
    say(**row, found=found[place].item(), expected=expected[place].item())
    raise Different(f"{name}: {len(wrong)} of {found.numel()}, first {place}")
