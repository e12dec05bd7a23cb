"""What the hosts share: a picture as a loader wants it, and any picture as a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO, Literal, get_args

from ..container import MAGIC, as_source, read_header
from ..inputs import is_name
from ..installed import has_decoder, load_decoder
from ..limits import MAX_PIXELS
from ..presets import FAITHFUL

if TYPE_CHECKING:
    import numpy as np

Kind = Literal["torch", "numpy", "pil"]


def check_kind(kind: Kind) -> Kind:
    """ "torch", "numpy" or "pil"."""
    if not is_name(kind, get_args(Kind)):
        raise ValueError(f"kind is 'torch', 'numpy' or 'pil', not {kind!r}")
    return kind


def array_of(
    stream: bytes | BinaryIO,
    scale: int = 1,
    max_pixels: int = MAX_PIXELS,
    rendering: str = FAITHFUL,
) -> np.ndarray[Any, Any]:
    """The picture of a stream, uint8 (H, W, C): without torch where its model's decoder is
    installed and has the rendering. Raises BitstreamError, ValueError."""
    source: Any = as_source(stream)  # read from where it stands, more than once
    model = read_header(source, max_pixels).model
    if has_decoder(model):
        decoder = load_decoder(model, max_pixels=max_pixels)
        if rendering in decoder.renderings:
            return decoder.decompress(source, rendering, scale=scale)
    from ..api import decompress

    picture = decompress(source, rendering=rendering, scale=scale, max_pixels=max_pixels)
    return picture.permute(1, 2, 0).numpy()


def decode(stream: bytes, kind: Kind = "torch", rendering: str = FAITHFUL) -> Any:
    """The picture of a stream: a uint8 tensor (C, H, W), a uint8 array (H, W, C) or an image of
    Pillow. Raises BitstreamError; ValueError for a rendering that the model does not have."""
    array = array_of(stream, rendering=rendering)
    if check_kind(kind) == "numpy":
        return array
    if kind == "torch":
        import torch

        return torch.from_numpy(array).permute(2, 0, 1).contiguous()
    from PIL import Image

    return Image.fromarray(array[..., 0] if array.shape[2] == 1 else array)


def encode(image: Any, quality: float = 50.0, effort: int = 0) -> bytes:
    """The stream of a picture: a tensor (C, H, W), an array (H, W, C) or an image of Pillow. Bytes
    that are a stream stay as they are. Raises ValueError."""
    if is_stream(image):
        return bytes(image)
    from ..api import compress

    return compress(as_tensor(image), quality, effort=effort)


def is_stream(data: object) -> bool:
    """Whether data are bytes that begin as a `.mcm` stream does."""
    return isinstance(data, bytes | bytearray) and data.startswith(MAGIC)


def as_tensor(image: Any) -> Any:
    """(C, H, W) of an array (H, W), (H, W, C), an image of Pillow, or a tensor."""
    import numpy
    import torch

    if isinstance(image, torch.Tensor):
        return image
    if hasattr(image, "getbands") and image.mode not in ("L", "LA", "RGB", "RGBA"):
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    array = numpy.array(image)
    return torch.from_numpy(array.reshape(*array.shape[:2], -1)).permute(2, 0, 1).contiguous()
