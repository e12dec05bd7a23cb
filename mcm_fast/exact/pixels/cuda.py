"""The twin of reference.py for a GPU: its functions on the device, and memory that is bounded. An
image is painted window by window, and in a window each layer some rows at a time.

All of it is plain torch, the same on the CPU, for proof. From latents to pixels nothing is read
back and nothing waits for the device.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from . import reference
from .cpu import Box, CpuRenderer
from .reference import Placed
from .rendering import QUALITY_STEPS, Rendering

MEMORY = 2**30  # bytes, about, beside latents, pixels and weights
LARGE = 2**12  # latents: a grid in whose middle no edge is seen


class CudaRenderer:
    """A rendering ready for use on a device; any number of threads may share it.

    Args:
        memory: bytes to work in, about; changes the speed, never the pixels.
    """

    def __init__(
        self, rendering: Rendering, device: str | torch.device = "cuda", *, memory: int = MEMORY
    ):
        self.rendering, self.device = rendering, torch.device(device)
        self._placed, self._plan = Placed(rendering, self.device), CpuRenderer(rendering)
        # The last layer that reads a tensor; without one, that which makes it.
        self._last = [n - 1 for n in range(len(rendering.layers))] + [len(rendering.layers)]
        for i, layer in enumerate(rendering.layers):
            for n in {layer.source, layer.gate, layer.add} - {-1}:
                self._last[n] = i
        # Half for the tensors of a window, half for the products of some rows.
        self._most = max(1, memory // 2 // self._held())  # latents of a window
        self._band = memory // 2

    def render(
        self,
        y: Tensor,
        mu: Tensor,
        indexes: Tensor,
        hyper: Tensor,
        quality: int,
        *,
        box: Box | None = None,
        transposed: bool = False,
    ) -> Tensor:
        """Decoded latents and what the entropy model says of them -> pixels.

        Args:
            y, mu: int16 [M, h, w], from any device.
            indexes: uint8 [M, h, w], of the rendering's; whether they are is not looked at, since
                that would wait for the device, and larger ones count as the last.
            hyper: int8 [F, h, w].
            quality: 0 .. 10000.
            box: (top, left, bottom, right) in pixels of the coded orientation; all of
                h * block x w * block by default.
            transposed: the coded orientation is not the image's.

        Returns uint8 [3, height, width] of the box, in the image's orientation, on the device.
        Raises ValueError for a wrong shape or type, or a quality or box out of range.
        """
        planes = self._checked(y, mu, indexes, hyper)
        if not 0 <= quality <= QUALITY_STEPS:
            raise ValueError(f"a quality of {quality}, not 0..{QUALITY_STEPS}")
        (height, width), block = y.shape[1:], self.rendering.block
        top, left, bottom, right = box or (0, 0, height * block, width * block)
        windows = list(self._windows((top, left, bottom, right), height, width))
        size = (right - left, bottom - top) if transposed else (bottom - top, right - left)
        image = torch.empty(3, *size, dtype=torch.uint8, device=self.device)
        coded = image.transpose(1, 2) if transposed else image
        for window in windows:
            rows = slice(window[0] - top, window[2] - top)
            columns = slice(window[1] - left, window[3] - left)
            coded[:, rows, columns] = self._window(planes, quality, window).permute(2, 0, 1)
        return image

    def seen(self, height: int, width: int, box: Box) -> Box:
        """The latents, of height x width, that a box of pixels depends on, in whole groups.

        Raises ValueError for a box that does not lie within the image.
        """
        top, left, bottom, right = self._plan.seen(height, width, box)
        align = self.rendering.alignment
        ends = (-(-bottom // align) * align, height), (-(-right // align) * align, width)
        return top // align * align, left // align * align, min(ends[0]), min(ends[1])

    def _checked(self, *planes: Tensor) -> list[Tensor]:
        """The planes on the device."""
        size, rendering = planes[0].shape[1:], self.rendering
        shapes = [(rendering.y_channels, *size)] * 3 + [(rendering.hyper_channels, *size)]
        dtypes = torch.int16, torch.int16, torch.uint8, torch.int8
        for plane, dtype, shape in zip(planes, dtypes, shapes, strict=True):
            if plane.dtype != dtype or plane.shape != shape or plane.dim() != 3:
                raise ValueError(f"{plane.dtype} {tuple(plane.shape)}, not {dtype} {shape}")
        y, mu, indexes, hyper = (plane.to(self.device) for plane in planes)
        last = len(rendering.tensors["means"]) - 1  # beyond it a GPU would stop for good
        return [y, mu, indexes.clamp(max=last), hyper]

    def _held(self) -> int:
        """Bytes a latent of the tensors that are held at once, at most."""
        pairs = zip(self.rendering.channels, self.rendering.scales, strict=True)
        sizes = [2 * channels * 4.0**scale for channels, scale in pairs]
        return math.ceil(
            max(
                sum(size for n, size in enumerate(sizes[: i + 2]) if n > i or self._last[n] >= i)
                for i in range(len(self.rendering.layers))
            )
        )

    def _windows(self, box: Box, height: int, width: int) -> Iterator[Box]:
        """A box of pixels in parts that see `_most` latents, about: what they see beside their own
        is seen again by the next. Raises ValueError for a box that is not within the latents."""
        rendering, (top, left, bottom, right) = self.rendering, box
        down, across = _size(self.seen(height, width, box))
        if down * across <= self._most:
            yield box
            return
        unit, middle = rendering.alignment * rendering.block, LARGE // 2 * rendering.block
        square = middle, middle, middle + unit, middle + unit
        around = _size(self.seen(LARGE, LARGE, square))[0] - rendering.alignment
        count = 1 + across // (2 * math.isqrt(self._most))
        wide = -(-(right - left) // (count * unit)) * rendering.alignment  # latents
        high = max(rendering.alignment, self._most // (wide + around) - around)
        lines = _edges(top, bottom, high * rendering.block // unit * unit, unit)
        posts = _edges(left, right, wide * rendering.block, unit)
        for above, below in zip(lines, lines[1:], strict=False):
            for before, behind in zip(posts, posts[1:], strict=False):
                yield above, before, below, behind

    def _window(self, planes: list[Tensor], quality: int, box: Box) -> Tensor:
        """A window's pixels, int16 [height, width, 3]."""
        rendering, (height, width) = self.rendering, planes[0].shape[1:]
        first, start, last, end = self.seen(height, width, box)
        y, mu, indexes, hyper = (plane[:, first:last, start:end] for plane in planes)

        def tensor_0(rows: range) -> Tensor:
            parts = (plane[:, rows.start : rows.stop] for plane in (y, mu, indexes, hyper))
            return reference.latents_in(self._placed, *parts, quality)

        grid, channels = tuple(y.shape[1:]), rendering.channels[0]
        cost = 64 * channels * grid[1]  # eight tensors of int64
        tensors = {0: self._banded((*grid, channels), grid[0], cost, tensor_0)}
        for i in range(len(rendering.layers)):
            tensors[i + 1] = self._layer(i, tensors, grid)
            for n in [n for n in tensors if self._last[n] <= i]:
                del tensors[n]
        top, left = first * rendering.block, start * rendering.block
        image = tensors[len(rendering.layers)]
        return image[box[0] - top : box[2] - top, box[1] - left : box[3] - left]

    def _layer(self, i: int, tensors: dict[int, Tensor], grid: tuple[int, ...]) -> Tensor:
        layer, source = self._placed.layers[i], tensors[self._placed.layers[i].source]
        inputs, outputs = self._placed.numbers[i].weight.shape
        size = self.rendering.size_of(i + 1, *grid)

        def made(rows: range) -> Tensor:
            return reference.layer_rows(self._placed, i, tensors, rows, size)

        # Operands as int16 and fp64; of the sums at most four tensors at once.
        cost = source.shape[1] * (16 * inputs + 32 * outputs)
        shape = *size, self.rendering.channels[i + 1]
        return self._banded(shape, reference.rows_before(layer, source), cost, made)

    def _banded(
        self, shape: tuple[int, ...], count: int, cost: int, made: Callable[[range], Tensor]
    ) -> Tensor:
        """A tensor [h, w, C] of some of `count` rows at a time, which take `cost` bytes each."""
        step, at = max(1, self._band // cost), 0
        if step >= count:
            return made(range(count))
        out = torch.empty(shape, dtype=torch.int16, device=self.device)
        for first in range(0, count, step):
            part = made(range(first, min(first + step, count)))
            out[at : at + len(part)] = part
            at += len(part)
        return out


def _size(box: Box) -> tuple[int, int]:
    return box[2] - box[0], box[3] - box[1]


def _edges(first: int, last: int, step: int, unit: int) -> list[int]:
    """Where parts of about `step` begin and end: within, at multiples of `unit`."""
    return [first, *range(first // unit * unit + step, last, step), last]
