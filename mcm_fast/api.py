"""The functions of the public face: they find the model and hand over to its `Codec`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, overload

import torch
from torch import Tensor

from .container import Bytes, Source, Stream, as_source, read_header
from .inputs import Objective, OnDamage, check_limit, check_on_error, check_streams
from .installed import DEFAULT, Model, check_model, load, name_of
from .limits import MAX_PIXELS
from .many import attempt, settle
from .opaque import opaque
from .pictures import ImageLike, Images, check_batch
from .presets import FAITHFUL


@opaque
def compress(
    image: ImageLike,
    quality: float | None = None,
    *,
    model: Model = DEFAULT,
    device: str | torch.device | None = None,
    target_bpp: float | None = None,
    metadata: Mapping[str, bytes] | None = None,
    tiles: int | None = None,
    effort: int = 0,
    objective: Objective = "psnr",
    rendering: str = FAITHFUL,
    importance: Tensor | None = None,
    progress: Callable[[float], None] | None = None,
    max_pixels: int = MAX_PIXELS,
    threads: int | None = None,
) -> bytes:
    """Compress an image to the bytes of a `.mcm` stream.

        stream = mcm_fast.compress(image, quality=50)

    Args:
        image: a tensor (C, H, W), uint8 or float in [0, 1], on any device; an array (H, W) or
            (H, W, C) of such numbers; an image of Pillow; or the path of a picture file. C is 1
            (gray), 2 (gray and alpha), 3 (RGB) or 4 (RGBA). 8 bits of alpha are kept exactly.
        quality: 0 .. 100, in steps of 0.01; 50 if neither it nor target_bpp is given.
        model: a name of `models()`, or the path of a model file.
        device: where the transforms run; the image's own unless named.
        target_bpp: instead of a quality, bits a pixel of the stream without its metadata. Warns
            (UserWarning) when no quality comes within 2 %.
        metadata: to carry beside the picture, bytes: icc_profile, exif, xmp, cicp. None: what a
            file has, the profile of an image of Pillow, nothing beside tensors and arrays.
        tiles: the side of coding tiles in pixels, a multiple of 64; 0 for none. None: none up to 4
            megapixels, 1024 above. They can be decoded one by one, and side by side.
        effort: 0 .. 9, the time spent on a search for better latents (docs/effort.md). Never worse
            than 0 by what it optimises; the decoder's work is the same.
        objective: what the search optimises at a rate: "psnr" or "ms-ssim".
        rendering: the one whose pixels count in the search.
        importance: a map (H, W) of numbers that are not negative: squared errors count by it. It
            needs an effort.
        progress: told now and then which share of the search is done.
        max_pixels: larger images are refused.
        threads: how many to use; see `load`.

    Raises ValueError for anything else.
    """
    codec = load(model, _device_of(image, device), max_pixels=max_pixels, threads=threads)
    options: dict[str, Any] = {"target_bpp": target_bpp, "metadata": metadata, "tiles": tiles}
    options |= {"effort": effort, "objective": objective, "rendering": rendering}
    return codec.compress(image, quality, **options, importance=importance, progress=progress)


@overload
def compress_many(
    images: Images,
    quality: float | None = None,
    *,
    model: Model = DEFAULT,
    device: str | torch.device | None = None,
    target_bpp: float | None = None,
    metadata: Mapping[str, bytes] | None = None,
    tiles: int | None = None,
    effort: int = 0,
    objective: Objective = "psnr",
    rendering: str = FAITHFUL,
    max_pixels: int = MAX_PIXELS,
    threads: int | None = None,
    on_error: Literal["raise"] = "raise",
) -> list[bytes]: ...
@overload
def compress_many(
    images: Images,
    quality: float | None = None,
    *,
    model: Model = DEFAULT,
    device: str | torch.device | None = None,
    target_bpp: float | None = None,
    metadata: Mapping[str, bytes] | None = None,
    tiles: int | None = None,
    effort: int = 0,
    objective: Objective = "psnr",
    rendering: str = FAITHFUL,
    max_pixels: int = MAX_PIXELS,
    threads: int | None = None,
    on_error: Literal["return"],
) -> list[bytes | Exception]: ...
@opaque
def compress_many(
    images: Images,
    quality: float | None = None,
    *,
    model: Model = DEFAULT,
    device: str | torch.device | None = None,
    target_bpp: float | None = None,
    metadata: Mapping[str, bytes] | None = None,
    tiles: int | None = None,
    effort: int = 0,
    objective: Objective = "psnr",
    rendering: str = FAITHFUL,
    max_pixels: int = MAX_PIXELS,
    threads: int | None = None,
    on_error: Literal["raise", "return"] = "raise",
) -> Any:
    """Compress images of any sizes: a list of what `compress` takes, a tensor (N, C, H, W) or an
    array (N, H, W, C).

    Each stream equals that of `compress`, whose arguments these are. The device is that of the
    first image unless named. `on_error`: "raise" the first error with its image's index, or
    "return" each in its image's place.
    """
    batch = check_batch(images)
    codec = load(
        model,
        _device_of(batch[0] if batch else None, device),
        max_pixels=max_pixels,
        threads=threads,
    )
    options: dict[str, Any] = {"target_bpp": target_bpp, "metadata": metadata, "tiles": tiles}
    options |= {"effort": effort, "objective": objective, "rendering": rendering}
    return codec.compress_many(batch, quality, **options, on_error=on_error)


@opaque
def decompress(
    stream: Bytes | Stream,
    *,
    box: tuple[int, int, int, int] | None = None,
    scale: int = 1,
    model: Model | None = None,
    device: str | torch.device = "cpu",
    rendering: str = FAITHFUL,
    max_pixels: int = MAX_PIXELS,
    threads: int | None = None,
    on_damage: OnDamage = "raise",
    exact: bool | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """The image of a stream: uint8 (C, H, W) on the device, C as it was compressed.

        image = mcm_fast.decompress(stream)

    Args:
        stream: bytes or a vector of them (uint8, of numpy or torch), a path, a binary file, or what
            `container.unpack` made of them.
        box: (left, top, right, bottom), the part of the image to decode. Of a file that can seek,
            no more is read than it needs.
        scale: 1; or 8 or 16 for a preview of ceil(side / scale) pixels a side, the same for all
            renderings, in little more time than decoding takes. `box` still counts in pixels of
            the whole size.
        model: the installed one that the stream names unless given, by name or path.
        device: where synthesis runs and the image comes back.
        rendering: which of the model's syntheses paints the picture.
        max_pixels: larger images are refused, by their whole size.
        threads: how many to use; see `load`.
        on_damage: "raise", or "blank": coding tiles that are damaged or missing become gray, with a
            warning (UserWarning) that names their boxes. The header must be whole.
        exact: True for pixels in integers, the same on every machine; False for floating point.
            None: integers on a CPU where the decoder's file of the model is (see `imread`), half
            precision on a GPU. Integers too are drawn on the device.
        out: a tensor of what comes out, on any device, to be filled and returned.

    Raises BitstreamError for bytes that cannot be decoded, with their `reason`; ValueError when the
    model has no such rendering or no previews, the box does not lie within the image, exact pixels
    are asked for without a decoder's file or `out` does not fit; OSError for a file that cannot be
    read.
    """
    opened, name = _placed(stream, model, max_pixels)
    codec = load(name, device, max_pixels=max_pixels, threads=threads)
    how: dict[str, Any] = {"scale": scale, "on_damage": on_damage, "exact": exact}
    return codec.decompress(opened, rendering, box=box, **how, out=out)


@overload
def decompress_many(
    streams: Sequence[Bytes | Stream],
    *,
    scale: int = 1,
    model: Model | None = None,
    device: str | torch.device = "cpu",
    rendering: str = FAITHFUL,
    max_pixels: int = MAX_PIXELS,
    threads: int | None = None,
    on_damage: OnDamage = "raise",
    exact: bool | None = None,
    on_error: Literal["raise"] = "raise",
) -> list[Tensor]: ...
@overload
def decompress_many(
    streams: Sequence[Bytes | Stream],
    *,
    scale: int = 1,
    model: Model | None = None,
    device: str | torch.device = "cpu",
    rendering: str = FAITHFUL,
    max_pixels: int = MAX_PIXELS,
    threads: int | None = None,
    on_damage: OnDamage = "raise",
    exact: bool | None = None,
    on_error: Literal["return"],
) -> list[Tensor | Exception]: ...
@opaque
def decompress_many(
    streams: Sequence[Bytes | Stream],
    *,
    scale: int = 1,
    model: Model | None = None,
    device: str | torch.device = "cpu",
    rendering: str = FAITHFUL,
    max_pixels: int = MAX_PIXELS,
    threads: int | None = None,
    on_damage: OnDamage = "raise",
    exact: bool | None = None,
    on_error: Literal["raise", "return"] = "raise",
) -> Any:
    """The images of streams of any sizes and models; the arguments are those of `decompress`.

    `on_error`: "raise" the first error with its stream's index, or "return" each in its stream's
    place.
    """
    check_on_error(on_error)
    items: list[Any] = check_streams(streams)
    placed = [attempt(lambda item: _placed(item, model, max_pixels), item) for item in items]
    images: list[Any] = settle(placed, on_error)
    good = {i: pair for i, pair in enumerate(placed) if not isinstance(pair, Exception)}
    for name in {name for _, name in good.values()}:
        codec = load(name, device, max_pixels=max_pixels, threads=threads)
        mine = {i: stream for i, (stream, of) in good.items() if of == name}
        how: dict[str, Any] = {"scale": scale, "on_damage": on_damage, "exact": exact}
        decoded = codec.decompress_many([*mine.values()], rendering, **how, on_error="return")
        for i, image in zip(mine, decoded, strict=True):
            images[i] = image
    return settle(images, on_error)


def _placed(
    item: Bytes | Stream, model: Model | None, max_pixels: int
) -> tuple[Source | Stream, Model]:
    """A stream, not yet read, and the model that decodes it."""
    check_limit("max_pixels", max_pixels)
    if isinstance(item, Stream):
        return item, name_of(item.model) if model is None else check_model(model)
    source = as_source(item)
    header = read_header(source, max_pixels)
    return source, name_of(header.model) if model is None else check_model(model)


def _device_of(image: object, device: str | torch.device | None) -> str | torch.device:
    if device is not None:
        return device
    return image.device if isinstance(image, Tensor) else "cpu"
