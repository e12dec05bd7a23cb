"""A large image is searched window by window, in bounded memory.

A window sees 8 latents beyond itself on each side, which is less than the synthesis' reach: what
is farther away moves a pixel by little, and every window's result is judged by true bytes and
pixels. Its latents are searched with those around it held as they are; the windows before it are
already improved.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..latents import BLOCK
from ..transforms.tiles import Span, cover

AREA = 2**20  # pixels that a window sees, about: 0.7 GB of memory in `small`
_HYPER = 4  # latents of y along the side of one of z
_MIN_SIDE = 4  # in latents of z: MS-SSIM needs 161 pixels


class Window(NamedTuple):
    """Rows and columns in units of z's latents, of an image with y of height x width."""

    rows: Span
    columns: Span
    height: int
    width: int

    def of_z(self) -> tuple[slice, slice]:
        return self.rows.seen(), self.columns.seen()

    def of_y(self) -> tuple[slice, slice]:
        return _cut(self.rows.seen(_HYPER), self.height), _cut(
            self.columns.seen(_HYPER), self.width
        )

    def of_pixels(self, height: int, width: int) -> tuple[slice, slice]:
        scale = _HYPER * BLOCK
        return _cut(self.rows.seen(scale), height), _cut(self.columns.seen(scale), width)

    def free(self, device: torch.device) -> tuple[Tensor, Tensor] | None:
        """Which latents of y and z the window answers for, bool (1, 1, h, w) each in its own
        coordinates. None: for all of them."""
        spans = self.rows, self.columns
        if all((s.start, s.end) == (s.first, s.last) for s in spans):
            return None
        z = torch.zeros(1, 1, *(s.end - s.start for s in spans), dtype=torch.bool, device=device)
        z[:, :, self.rows.inner(), self.columns.inner()] = True
        y = z.repeat_interleave(_HYPER, 2).repeat_interleave(_HYPER, 3)
        height, width = (s.stop - s.start for s in self.of_y())
        return y[:, :, :height, :width], z


def windows(height: int, width: int, area: int = AREA) -> list[Window]:
    """The windows of an image whose y is height x width, row by row."""
    sides = -(-height // _HYPER), -(-width // _HYPER)
    spans = cover(*sides, area // (_HYPER * BLOCK) ** 2, reach=2)
    return [Window(_widened(rows), _widened(columns), height, width) for rows, columns in spans]


def _widened(span: Span) -> Span:
    """The last of a row may be short: let it see more of what is before it."""
    return span._replace(start=max(0, min(span.start, span.end - _MIN_SIDE)))


def _cut(part: slice, length: int) -> slice:
    return slice(part.start, min(part.stop, length))
