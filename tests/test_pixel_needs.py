"""What a box of pixels takes: no layer makes more than later ones see."""

import numpy as np
import pytest
from pixel_lists import latents_for, odd_rendering, tiny_rendering

from mcm_fast.exact.extension import extension
from mcm_fast.exact.pixels.cpu import CpuRenderer
from mcm_fast.exact.pixels.decoder_file import load_decoder
from mcm_fast.presets import WEIGHTS

NAMES = ["faithful", "preview8", "preview16", "odd"]
SMALL = WEIGHTS / "small.decoder.safetensors"
LEVELS = extension().simd_names()


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("needs") / "tiny.decoder.safetensors"
    tiny_rendering(path)
    return path


@pytest.fixture(scope="module", params=NAMES)
def rendering(request, path):
    name = request.param
    return odd_rendering() if name == "odd" else load_decoder(path, [name]).renderings[name]


@pytest.fixture
def restored_level():
    before = extension().simd()
    yield
    extension().use_simd(before)


def some_box(rng: np.random.Generator, height: int, width: int) -> tuple[int, int, int, int]:
    """As often as not at an edge of the image."""
    sides = []
    for length in (height, width):
        first, last = sorted(rng.choice(length + 1, 2, replace=False).tolist())
        sides.append((0 if rng.random() < 0.25 else first, length if rng.random() < 0.25 else last))
    (top, bottom), (left, right) = sides
    return top, left, bottom, right


def marks_of(rendering, length: int, first: int, last: int):
    """Along one side of `length` latents, position by position: which of each tensor are seen, and
    which each layer makes before depth-to-space."""
    sizes = [length << s if s >= 0 else -(-length // 2**-s) for s in rendering.scales]
    seen = [np.zeros(size, bool) for size in sizes]
    seen[-1][first:last] = True
    made = []
    for i, layer in reversed(list(enumerate(rendering.layers))):
        factor = 1 if layer.operation else layer.factor
        before = np.add.reduceat(seen[i + 1], range(0, sizes[i + 1], factor)) > 0
        made.append(before)
        seen[i + 1] = before.repeat(factor)[: sizes[i + 1]]
        for operand in {layer.gate, layer.add} - {-1}:
            seen[operand] |= seen[i + 1]
        source = before.repeat(2 if layer.kernel == 2 else 1)[: sizes[layer.source]]
        if layer.kernel == 3:
            wider = np.pad(source, 1)
            source = wider[:-2] | wider[1:-1] | wider[2:]
        seen[layer.source] |= source
    return seen, made[::-1]


def span(marks: np.ndarray) -> tuple[int, int]:
    positions = np.flatnonzero(marks)
    assert len(positions) == positions[-1] + 1 - positions[0]
    return int(positions[0]), int(positions[-1]) + 1


@pytest.mark.parametrize("seed", range(20))
def test_every_layer_makes_what_is_seen_and_no_more(rendering, seed):
    rng = np.random.default_rng(seed)
    height, width = rng.integers(1, 60, 2).tolist()
    box = some_box(rng, height * rendering.block, width * rendering.block)
    boxes, products = CpuRenderer(rendering).needs(height, width, box)
    rows, rows_made = marks_of(rendering, height, box[0], box[2])
    columns, columns_made = marks_of(rendering, width, box[1], box[3])
    for found, down, across in zip(boxes, rows, columns, strict=True):
        (top, bottom), (left, right) = span(down), span(across)
        assert found == (top, left, bottom, right)
    weights = [rendering.tensors[f"{i}.weight"].size for i in range(len(rendering.layers))]
    areas = [int(a.sum() * b.sum()) for a, b in zip(rows_made, columns_made, strict=True)]
    assert products == sum(a * b for a, b in zip(weights, areas, strict=True))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("threads", [1, 2])
def test_boxes_are_crops(rendering, level, threads, restored_level):
    """Of every level and thread, wherever they lie; what they do not depend on may be anything."""
    extension().use_simd(level)
    rng = np.random.default_rng(threads)
    for height, width in ((1, 1), (2, 9), (13, 5), (37, 41)):
        arrays, quality = latents_for(rendering, height, width, 8.0)
        renderer = CpuRenderer(rendering, threads)
        whole = renderer.render(*arrays, quality)
        for band in (1, 2, 8, 100):
            box = some_box(rng, *whole.shape[:2])
            first, start, last, end = renderer.seen(height, width, box)
            others = [np.full_like(array, 77) for array in arrays]  # beyond the table of means too
            for other, array in zip(others, arrays, strict=True):
                other[:, first:last, start:end] = array[:, first:last, start:end]
            found = renderer.render(*others, quality, box=box, band=band)
            top, left, bottom, right = box
            assert np.array_equal(found, whole[top:bottom, left:right]), (box, band)


def test_what_a_region_and_a_band_take():
    """In multiplications of `small`, of those that their pixels take in a whole image."""
    renderer = CpuRenderer(load_decoder(SMALL, ["faithful"]).renderings["faithful"])
    _, products = renderer.needs(32, 32, (0, 0, 512, 512))
    rng = np.random.default_rng(0)
    for _ in range(50):
        top, left = rng.integers(0, 8000, 2).tolist()
        _, region = renderer.needs(600, 600, (top, left, top + 512, left + 512))
        assert region < 1.95 * products
    _, band = renderer.needs(600, 800, (2560, 0, 3840, 12800))
    assert band < 1.16 * products * (1280 * 12800) / 512**2


def test_boxes_that_do_not_lie_within(rendering):
    renderer, block = CpuRenderer(rendering), rendering.block
    for box in ((0, 0, 0, 1), (-1, 0, 1, 1), (0, 0, 2 * block + 1, 1), (0, 3, 1, 3 * block + 1)):
        with pytest.raises(ValueError, match="within"):
            renderer.needs(2, 3, box)
    for size in ((0, 1), (1, 2**28 + 1)):
        with pytest.raises(ValueError, match="latents of"):
            renderer.needs(*size, (0, 0, 1, 1))
