"""Image files as (3, height, width) tensors, and back, with what describes their colours."""

from .damage import DamagedImage
from .formats import NotAnImage, format_of, is_image_name
from .read import read_image
from .write import write_image

__all__ = [
    "DamagedImage",
    "NotAnImage",
    "format_of",
    "is_image_name",
    "read_image",
    "write_image",
]
