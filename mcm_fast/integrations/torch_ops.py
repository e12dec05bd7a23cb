"""Compressing and decompressing as operators of torch, for graphs without breaks.

    import mcm_fast.integrations.torch_ops

    stream = torch.ops.mcm_fast.compress(image, 50.0)       # uint8 [bytes]
    image = torch.ops.mcm_fast.decompress(stream)           # uint8 (C, H, W)

torch.compile(fullgraph=True) and torch.export take them as they are; without them, a call of
`mcm_fast` is a break in a compiled graph, and needs none of this. They have no gradients.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ..api import compress as compress_image
from ..api import decompress as decompress_stream
from ..installed import DEFAULT
from ..presets import FAITHFUL


@torch.library.custom_op(
    "mcm_fast::compress",
    mutates_args=(),
    schema=f"(Tensor image, float quality=50.0, str model='{DEFAULT}') -> Tensor",
)
def compress(image: Tensor, quality: float = 50.0, model: str = DEFAULT) -> Tensor:
    """An image (C, H, W), uint8 or float in [0, 1] -> its stream, uint8 [bytes], on its device.

    `model` is a name of `models()` or the path of a model file. Raises ValueError as
    `mcm_fast.compress` does.
    """
    stream = compress_image(image, quality, model=model)
    return torch.from_numpy(np.frombuffer(stream, np.uint8).copy()).to(image.device)


@torch.library.custom_op(
    "mcm_fast::decompress",
    mutates_args=(),
    schema=(
        "(Tensor stream, SymInt[]? size=None, str? model=None, "
        f"str rendering='{FAITHFUL}') -> Tensor"
    ),
)
def decompress(
    stream: Tensor,
    size: Sequence[int] | None = None,
    model: str | None = None,
    rendering: str = FAITHFUL,
) -> Tensor:
    """A stream, uint8 [bytes] -> its image, uint8 (C, H, W), on its device.

    Args:
        size: C, H, W where they are known: the compiler then knows the shape of what comes out.
        model: the installed one that the stream names unless given, by name or path.
        rendering: which of the model's syntheses paints the picture.

    Raises BitstreamError as `mcm_fast.decompress` does; ValueError for a stream that is no vector
    of uint8, and for an image of another size than `size`.
    """
    image = decompress_stream(stream, model=model, device=stream.device, rendering=rendering)
    if size is not None and tuple(size) != tuple(image.shape):
        raise ValueError(f"the image is {tuple(image.shape)}, not of size={tuple(size)}")
    return image


@compress.register_fake
def _(image: Tensor, quality: float = 50.0, model: str = DEFAULT) -> Tensor:
    length = torch.library.get_ctx().new_dynamic_size()
    return image.new_empty(length, dtype=torch.uint8)


@decompress.register_fake
def _(
    stream: Tensor,
    size: Sequence[int | torch.SymInt] | None = None,
    model: str | None = None,
    rendering: str = FAITHFUL,
) -> Tensor:
    if size is None:
        context = torch.library.get_ctx()
        size = [context.new_dynamic_size(min=1, max=4)]
        size += [context.new_dynamic_size() for _ in range(2)]
    return stream.new_empty(size)
