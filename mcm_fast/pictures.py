"""Pictures as callers have them -> tensors (C, H, W): one ValueError for each way to be wrong."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Union

import numpy as np
import torch
from torch import Tensor

from .inputs import check_pixels
from .tensor_inputs import kind_of

if TYPE_CHECKING:
    import PIL.Image

Array = np.ndarray[Any, Any]
# A tensor (C, H, W), an array (H, W, C) or (H, W), an image of Pillow, or a picture file's path.
ImageLike = Union[Tensor, Array, "PIL.Image.Image", str, os.PathLike[str]]  # noqa: UP007
Images = Sequence[ImageLike] | Tensor | Array
DTYPES = (torch.uint8, torch.float16, torch.bfloat16, torch.float32, torch.float64)
HAIR = 1e-3  # of what float images may lie beyond [0, 1]
_CHANNELS = "1 (gray), 2 (gray and alpha), 3 (RGB) or 4 (RGBA) channels"


class Given(NamedTuple):
    """A picture as the codec takes it."""

    image: Tensor  # (C, H, W), uint8 or float in [0, 1]
    metadata: dict[str, bytes]  # what a file, or an image of Pillow, says of its picture


def taken(picture: ImageLike, max_pixels: int) -> Given:
    """A picture of at most so many pixels.

    A float image that is beyond [0, 1] by a hair, as resampling leaves it, is clamped. Raises
    ValueError for what is no picture, and what `images.read_image` raises for a path.
    """
    metadata: dict[str, bytes] = {}
    if isinstance(picture, Tensor):
        image = picture
    elif isinstance(picture, np.ndarray):
        image = _of_array(picture)
    elif isinstance(picture, str | os.PathLike):
        from .images.read import read_image

        image, metadata = read_image(picture, max_pixels=max_pixels, channels="own")
    elif _is_pillow(picture):
        from .images.read import of_pillow

        pixels, metadata = of_pillow(picture, max_pixels)
        image = torch.from_numpy(pixels)
    else:
        raise ValueError(f"an image is {_KINDS}, not {type(picture).__name__}")
    return Given(_check_tensor(image, max_pixels), metadata)


def check_batch(pictures: Images) -> list[ImageLike]:
    """A batch: a list or tuple, a tensor (N, C, H, W) or an array (N, H, W, C)."""
    if isinstance(pictures, list | tuple):
        return list(pictures)
    if isinstance(pictures, Tensor) and pictures.layout == torch.strided and pictures.dim() == 4:
        return list(pictures)
    if isinstance(pictures, np.ndarray) and pictures.ndim == 4:
        return list(pictures)
    kind = kind_of(pictures)
    if isinstance(pictures, np.ndarray):
        kind = f"an array {pictures.shape}"
    raise ValueError(f"a batch is a list of images, not {kind}")


_KINDS = "a tensor (C, H, W), an array (H, W, C), an image of Pillow or a path"


def _is_pillow(picture: object) -> bool:
    module = sys.modules.get("PIL.Image")  # without it there are no such images
    return module is not None and isinstance(picture, module.Image)


def _of_array(array: Array) -> Tensor:
    """(H, W), or (H, W, C): channels come last in numpy, as OpenCV, imageio and Pillow have it."""
    if array.dtype != np.uint8 and array.dtype.kind != "f":
        hint = ": 16 bits a channel are not in this format" if array.dtype.kind in "iu" else ""
        raise ValueError(f"an array is uint8 or float in [0, 1], not {array.dtype}{hint}")
    if array.ndim == 4:
        raise ValueError(f"an array is (H, W, C), not {array.shape}: compress_many takes a batch")
    if array.ndim not in (2, 3):
        raise ValueError(f"an image as an array is (H, W) or (H, W, C), not {array.shape}")
    if array.ndim == 3 and not 1 <= array.shape[2] <= 4:
        first = 1 <= array.shape[0] <= 4
        hint = ": this looks like (C, H, W), which a tensor is" if first else ""
        raise ValueError(f"an image (H, W, C) has {_CHANNELS}, not {array.shape[2]}{hint}")
    channels_last = array if array.ndim == 3 else array[..., None]
    if channels_last.dtype.kind == "f" and channels_last.dtype.itemsize > 8:
        channels_last = channels_last.astype(np.float64)
    native = channels_last.astype(channels_last.dtype.newbyteorder("="), copy=False)
    # torch takes no negative strides, and warns of memory that must not be written to.
    whole = np.require(native, requirements=["C", "W"])
    return torch.from_numpy(whole).permute(2, 0, 1)


def _check_tensor(image: Tensor, max_pixels: int) -> Tensor:
    if image.is_nested or image.layout != torch.strided or image.is_meta:
        raise ValueError(f"an image is a dense tensor with its pixels, not {kind_of(image)}")
    if image.dtype not in DTYPES:
        hint = ": 16 bits a channel are not in this format" if "int" in str(image.dtype) else ""
        hint = ": call float() on it first" if image.dtype.is_floating_point else hint
        raise ValueError(f"an image is uint8 or float in [0, 1], not {image.dtype}{hint}")
    if image.dim() == 4:
        raise ValueError(
            f"an image is (C, H, W), not {tuple(image.shape)}: compress_many takes a batch, "
            "one tensor (N, C, H, W) or a list of images"
        )
    if image.dim() != 3:
        raise ValueError(f"an image is (C, H, W), not {tuple(image.shape)}")
    if not 1 <= image.shape[0] <= 4:
        raise ValueError(f"an image (C, H, W) has {_CHANNELS}, not {image.shape[0]}")
    if image.numel() == 0:
        raise ValueError(f"an empty image: {tuple(image.shape)}")
    check_pixels(image.shape[2], image.shape[1], max_pixels)
    return _clamped(image) if image.dtype.is_floating_point else image


def _clamped(image: Tensor) -> Tensor:
    low, high = image.aminmax()
    if not (low >= -HAIR and high <= 1 + HAIR):  # also false for NaN
        raise ValueError(f"float images lie in [0, 1]; this one in [{low:.4g}, {high:.4g}]")
    return image.clamp(0, 1) if low < 0 or high > 1 else image


def check_out(out: Tensor | None) -> None:
    """None, or a uint8 tensor (C, H, W) whose memory can be written to."""
    if out is None:
        return
    tensor = isinstance(out, Tensor) and not out.is_nested and out.layout == torch.strided
    if not tensor or out.is_meta or out.dtype != torch.uint8 or out.dim() != 3:
        raise ValueError(f"out is a tensor of torch.uint8, (C, H, W), not {kind_of(out)}")
    if out.is_inference():
        raise ValueError("out is an ordinary tensor, not one made in inference mode")


def into(out: Tensor | None, image: Tensor) -> Tensor:
    """The image itself, or `out` filled with it."""
    if out is None:
        return image
    if out.shape != image.shape:
        raise ValueError(f"out is {tuple(out.shape)}, and the image {tuple(image.shape)}")
    return out.copy_(image)
