"""The Triton kernels, on a GPU or in their interpreter, against the C++ engine: equal integers."""

import pytest
import torch
from conftest import ON_DEVICE

pytest.importorskip("triton")

import triton
import triton.language as tl

from mcm_fast.exact import reference
from mcm_fast.exact.cpu import CpuEngine
from mcm_fast.exact.cuda import launch
from mcm_fast.exact.cuda.packing import PackedModel
from mcm_fast.exact.cuda.sizes import URGENT
from mcm_fast.exact.model import ACC_LIMIT, BIAS_LIMIT, PRODUCT_LIMIT
from mcm_fast.exact.wavefront import wavefront
from mcm_fast.kernels import context, hyper, layer, step
from mcm_fast.kernels.layer import activate, requantize
from mcm_fast.kernels.wavefront import first_row, number_in_step, number_in_stream, row_count

pytestmark = ON_DEVICE
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
QUALITY, HEIGHT, WIDTH = 3333, 2, 5


def int32(*values: int) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.int32, device=DEVICE)


class Case:
    """One image on its way through the kernels; `expected`: what the C++ engine says."""

    def __init__(self, model):
        generator = torch.Generator().manual_seed(0)
        z_size = -(-HEIGHT // 4), -(-WIDTH // 4)
        shapes = (model.y_channels, HEIGHT, WIDTH), (model.z_channels, *z_size)
        self.y, self.z = (
            (3 * torch.randn(shape, generator=generator)).round().short().to(DEVICE)
            for shape in shapes
        )
        self.expected = CpuEngine(model, 1).parameters(self.y, self.z, QUALITY)
        self.packed, self.zero = PackedModel(model, DEVICE), int32(0).long()
        rows = self.packed.context.rows
        self.multiplier = torch.empty(1, rows, dtype=torch.int32, device=DEVICE)
        self.bias = torch.empty(1, rows, dtype=torch.int64, device=DEVICE)
        layer.affine_at[(-(-rows // launch.AFFINE_AT["BLOCK"]), 1)](
            self.packed.multiplier,
            self.packed.bias,
            int32(QUALITY),
            self.multiplier,
            self.bias,
            LEVELS=model.levels,
            ROWS=rows,
            **launch.AFFINE_AT,
        )

    def geometry(self):
        return int32(HEIGHT), int32(WIDTH), self.zero

    def model(self, lazy=False):
        packed = self.packed
        lookups = packed.numbers, packed.values
        weight = packed.lazy_weight if lazy else packed.weight
        return weight, self.multiplier, self.bias, *lookups

    def hyper(self) -> torch.Tensor:
        x, positions = self.z, self.z[0].numel()
        for sizes, weight in zip(self.packed.hyper, self.packed.hyper_weights, strict=True):
            count = positions * sizes.scale**2 if sizes.upsamples else HEIGHT * WIDTH
            out = torch.zeros(count * sizes.outputs, dtype=torch.int8, device=DEVICE)
            grid = -(-count // launch.HYPER_LAYER["TILE"]), len(weight), 1
            where = int32(HEIGHT), int32(WIDTH), self.zero, self.zero
            arrays = x, out, *where, weight, self.multiplier, self.bias
            hyper.hyper_layer[grid](*arrays, sizes=sizes, **launch.HYPER_LAYER)
            x = out
        return x.view(HEIGHT, WIDTH, -1)


def blank(shape, count: int):
    """mu and indexes of `shape`; tables, bases and places, `count` each."""
    fields = ((shape, dtype) for dtype in (torch.int16, torch.uint8))
    picks = ((count, dtype) for dtype in (torch.int32, torch.int16, torch.int32))
    return tuple(torch.zeros(n, dtype=dtype, device=DEVICE) for n, dtype in (*fields, *picks))


@pytest.fixture(scope="module")
def case(codec):
    return Case(codec.integers)


def test_hyper(case):
    assert torch.equal(case.hyper().permute(2, 0, 1).cpu(), case.expected.hyper)


def test_step_is_all_positions(case):
    """Both kernels say the same, what the C++ engine says, and nothing of what is not yet known."""
    sizes, y = case.packed.context, case.y.permute(1, 2, 0).to(torch.int8).contiguous()
    features, count = case.hyper(), case.y.numel()
    every = blank(y.shape, count)
    arrays = y, features, *every, *case.geometry(), *case.model()
    context.context_all[(1, sizes.slices, 1)](*arrays, sizes=sizes, **launch.CONTEXT_ALL)
    assert torch.equal(every[0].permute(2, 0, 1).cpu(), case.expected.mu)
    assert torch.equal(every[1].permute(2, 0, 1).cpu(), case.expected.indexes)
    known, found, at = torch.zeros_like(y), blank(y.shape, count), 0
    coming, late = int32(0), torch.zeros_like(y)
    capacity = launch.CONTEXT_STEP["TILE"] * sizes.y_channels
    shape = sizes.slices * launch.CONTEXT_STEP["TILE"], sizes.sums
    sums = torch.zeros(shape, dtype=torch.int32, device=DEVICE)
    for t, positions in enumerate(wavefront(HEIGHT, WIDTH, sizes.slices)):
        # The lazy sums are made of what was there a step before.
        arrays = late, features, sums, *case.geometry(), coming, case.packed.lazy_weight, capacity
        step.context_lazy[(1, 5 * sizes.slices, 1)](*arrays, sizes=sizes, **launch.CONTEXT_LAZY)
        late.copy_(known)
        where = *case.geometry(), int32(t), coming
        arrays = known, features, *found, sums, *where, *case.model(lazy=True), capacity
        step.context_step[(1, sizes.slices, 1)](*arrays, sizes=sizes, **launch.CONTEXT_STEP)
        assert int(coming) == t + 1
        latents = slice(at, at + len(positions) * sizes.slice_channels)
        for whole, part in zip(every[2:], found[2:], strict=True):
            assert torch.equal(whole[latents], part[: latents.stop - at])
        places = every[4][latents].long()
        known.view(-1)[places] = y.view(-1)[places]
        at = latents.stop
    assert at == count and torch.equal(found[0], every[0]) and torch.equal(found[1], every[1])


def test_what_is_urgent():
    """By the wavefront: what a position sees of the step before, and of no later one."""
    for name, radius in (("context3", 1), ("context5", 2), ("context7", 3)):
        seen = [(dy, dx) for dy in range(-radius, 1) for dx in range(-radius, radius + 1)]
        times = [dx + 4 * dy for dy, dx in seen if dy < 0 or dx < 0]
        assert max(times) == -1
        assert {i for i, time in enumerate(times) if time == -1} == set(URGENT[name])
    taps = [dx + 4 * dy for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    for before in range(1, 8):  # slices
        times = [time - 6 * before for time in taps]
        assert max(times) <= -1
        urgent = [i for i, time in enumerate(times) if time == -1]
        assert urgent == (list(URGENT["previous"]) if before == 1 else [])


@triton.jit
def layer_probe(acc, multiplier, bias, v, a, N: tl.constexpr):
    i = tl.arange(0, N)
    at = i[:, None] * N + i[None, :]
    out = requantize(tl.load(acc + at), tl.load(multiplier + i), tl.load(bias + i))
    tl.store(v + at, out)
    tl.store(a + at, activate(out))


def test_requantize_and_activate():
    """Random numbers of all sizes, and both ends of what a model may hold."""
    generator, n = torch.Generator().manual_seed(0), 32
    spread = 2.0 ** torch.randint(0, 31, (n, n), generator=generator)
    acc = (spread * (2 * torch.rand(n, n, generator=generator) - 1)).int()
    acc[0], acc[1], acc[2] = ACC_LIMIT - 1, 1 - ACC_LIMIT, 0
    most = (PRODUCT_LIMIT - BIAS_LIMIT) // ACC_LIMIT
    multiplier = torch.randint(-most, most, (n,), generator=generator, dtype=torch.int32)
    bias = torch.randint(1 - BIAS_LIMIT, BIAS_LIMIT, (n,), generator=generator)
    multiplier[:2], bias[:2] = most, torch.tensor([BIAS_LIMIT - 1, 1 - BIAS_LIMIT])
    v = torch.empty(n, n, dtype=torch.int32, device=DEVICE)
    a = torch.empty(n, n, dtype=torch.int8, device=DEVICE)
    layer_probe[(1,)](*(t.to(DEVICE) for t in (acc, multiplier, bias)), v, a, N=n)
    expected = reference.requantize(acc.T.long(), multiplier.long(), bias)
    assert torch.equal(v.T.cpu().long(), expected)
    assert torch.equal(a.T.cpu().long(), reference.activate(expected))


@triton.jit
def wavefront_probe(stream, step, height, width, SLICES: tl.constexpr, SIZE: tl.constexpr):
    k, i = tl.program_id(0), tl.arange(0, SIZE)
    rows, columns, real = i // width, i % width, i < height * width
    numbers = number_in_stream(k, rows, columns, height, width, SLICES)
    tl.store(stream + k * height * width + i, numbers, mask=real)
    t = tl.program_id(1)
    u = t - 6 * k
    place = (k * tl.num_programs(1) + t) * 3
    tl.store(step + place, number_in_step(t, k, height, width, SLICES))
    tl.store(step + place + 1, row_count(u, height, width))
    tl.store(step + place + 2, first_row(tl.maximum(u, 0), width))


@pytest.mark.parametrize(("height", "width"), [(1, 1), (5, 3), (3, 7)])
def test_wavefront(height, width):
    slices, steps = 4, list(wavefront(height, width, 4))
    stream = torch.zeros(slices, height, width, dtype=torch.int32, device=DEVICE)
    step = torch.zeros(slices, len(steps), 3, dtype=torch.int32, device=DEVICE)
    wavefront_probe[slices, len(steps)](stream, step, height, width, SLICES=slices, SIZE=32)
    order = [position for positions in steps for position in positions]
    assert [int(stream[position]) for position in order] == list(range(len(order)))
    for t, positions in enumerate(steps):
        for k in range(slices):
            rows = [row for own, row, _ in positions if own == k]
            before, count, first = step[k, t].tolist()
            assert before == sum(own < k for own, _, _ in positions)
            assert count == len(rows) and (not rows or first == rows[0])
