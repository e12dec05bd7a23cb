"""Checks of what callers hand in: one ValueError for each way it can be wrong.

Imports no torch; `tensor_inputs` has the checks of tensors and devices.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Container, Mapping, Sequence
from typing import Literal, TypeVar, get_args

from .coding_tiles import Tile
from .limits import MAX_SIDE, MAX_THREADS, QUALITY_STEPS, SCALES, TILE_UNIT, pixels_in_blocks
from .many import OnError
from .metadata import TYPES
from .rate import Aim

OnDamage = Literal["raise", "blank"]
Objective = Literal["psnr", "ms-ssim"]  # of the search that effort pays for
T = TypeVar("T")


def check_streams(streams: Sequence[T]) -> list[T]:
    """A batch of streams: a list or tuple."""
    if isinstance(streams, list | tuple):
        return list(streams)
    raise ValueError(f"a batch is a list of streams, not {type(streams).__name__}")


def check_on_error(on_error: OnError) -> OnError:
    """ "raise" or "return"."""
    if not is_name(on_error, get_args(OnError)):
        raise ValueError(f"on_error is 'raise' or 'return', not {on_error!r}")
    return on_error


def is_name(value: object, names: Container[str]) -> bool:
    """Whether a value is one of these names. What cannot be hashed or compared is none."""
    return isinstance(value, str) and value in names


def check_pixels(width: int, height: int, max_pixels: int) -> None:
    """An image of at most so many pixels, counted in whole blocks."""
    if pixels_in_blocks(width, height) > max_pixels:
        raise ValueError(f"an image of {width}x{height}: the limit is {max_pixels} pixels")


def check_limit(name: str, value: int) -> int:
    """A positive whole number."""
    whole = whole_number(value)
    if whole is None or whole < 1:
        raise ValueError(f"{name} is a positive whole number, not {value!r}")
    return whole


def check_seed(seed: int) -> int:
    """A whole number that torch's generators take."""
    whole = whole_number(seed)
    if whole is None or not -(2**63) <= whole < 2**64:
        raise ValueError(f"seed is a whole number of 64 bits, not {seed!r}")
    return whole


def whole_number(value: object) -> int | None:
    """Python's int of any whole number, numpy's too; None for what is none, or a bool."""
    try:
        return None if isinstance(value, bool) else operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        return None


def check_threads(threads: int | None) -> int | None:
    """None for the default, or a positive whole number."""
    if threads is None:
        return None
    count = check_limit("threads", threads)
    if count > MAX_THREADS:
        raise ValueError(f"threads is at most {MAX_THREADS}, not {threads}")
    return count


def check_quality(quality: float) -> int:
    """A quality in [0, 100] -> hundredths."""
    try:
        value = float(quality)
    except (TypeError, ValueError):
        raise ValueError(f"quality is a number in 0 .. 100, not {quality!r}") from None
    if not (math.isfinite(value) and 0 <= value <= 100):
        raise ValueError(f"quality is a number in 0 .. 100, not {quality!r}")
    return round(value * QUALITY_STEPS / 100)


def check_aim(quality: float | None, target_bpp: float | None) -> Aim:
    """A quality, 50 if none is given, or a positive, finite number of bits a pixel."""
    if target_bpp is None:
        return Aim(check_quality(50.0 if quality is None else quality))
    if quality is not None:
        raise ValueError(f"quality={quality!r} and target_bpp={target_bpp!r} exclude each other")
    try:
        value = float(target_bpp)
    except (TypeError, ValueError):
        raise ValueError(f"target_bpp is a positive number, not {target_bpp!r}") from None
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"target_bpp is a positive number, not {target_bpp!r}")
    return Aim(0, value)


def check_effort(effort: int, importance: object) -> int:
    """0 .. 9; a map of importance needs a search."""
    whole = whole_number(effort)
    if whole is None or not 0 <= whole <= 9:
        raise ValueError(f"effort is 0 .. 9, not {effort!r}")
    if whole == 0 and importance is not None:
        raise ValueError("importance needs an effort of 1 .. 9, not 0")
    return whole


def check_rendering(name: str, renderings: Mapping[str, T]) -> T:
    """The synthesis of that name."""
    if not is_name(name, renderings):
        raise ValueError(f"unknown rendering {name!r}: this model has {', '.join(renderings)}")
    return renderings[name]


def check_metadata(metadata: Mapping[str, bytes] | None) -> dict[str, bytes]:
    """Metadata by the names of `mcm_fast.metadata` -> a container's chunks."""
    if metadata is not None and not isinstance(metadata, Mapping):
        kind = type(metadata).__name__
        raise ValueError(f"metadata is a dict of names and bytes, not {kind}")
    chunks = {}
    for name, content in (metadata or {}).items():
        if name not in TYPES:
            raise ValueError(f"unknown metadata {name!r}: there are {', '.join(TYPES)}")
        if not isinstance(content, bytes | bytearray | memoryview):
            raise ValueError(f"metadata {name!r} is bytes, not {type(content).__name__}")
        chunks[TYPES[name]] = bytes(content)
    return chunks


def check_tiles(tiles: int | None) -> int | None:
    """The side of coding tiles: None for the default, 0 for none, or a multiple of 64 pixels."""
    whole = whole_number(tiles)
    if tiles is None or (whole is not None and 0 <= whole <= MAX_SIDE and whole % TILE_UNIT == 0):
        return whole
    raise ValueError(f"tiles is None, 0 or a multiple of {TILE_UNIT} pixels, not {tiles!r}")


def check_box(box: tuple[int, int, int, int], width: int, height: int) -> Tile:
    """(left, top, right, bottom) of a rectangle within an image."""
    try:
        left, top, right, bottom = map(operator.index, box)
    except (TypeError, ValueError):
        raise ValueError(f"box is (left, top, right, bottom), not {box!r}") from None
    if not (0 <= left < right <= width and 0 <= top < bottom <= height):
        raise ValueError(f"box {box!r} is not a rectangle within an image of {width}x{height}")
    return Tile(left, top, right, bottom)


def check_scale(scale: int, previews: bool) -> int:
    """1, or 8 or 16 of a model that has previews."""
    whole = whole_number(scale)
    if whole not in (1, *SCALES):
        raise ValueError(f"scale is 1, {' or '.join(map(str, SCALES))}, not {scale!r}")
    if whole > 1 and not previews:
        raise ValueError(f"scale is 1, not {scale}: this model has no previews")
    return whole


def check_exact(exact: bool | None) -> bool | None:
    """True, False or None."""
    if exact is not None and type(exact) is not bool:
        raise ValueError(f"exact is True, False or None, not {exact!r}")
    return exact


def check_on_damage(on_damage: OnDamage) -> bool:
    """ "raise" or "blank" -> whether damaged tiles are kept."""
    if not is_name(on_damage, get_args(OnDamage)):
        raise ValueError(f"on_damage is 'raise' or 'blank', not {on_damage!r}")
    return on_damage == "blank"
