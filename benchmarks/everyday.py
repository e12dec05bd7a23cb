"""The codecs that programs use today, by Pillow: JPEG, WebP, AVIF, JPEG XL; ours beside them."""

from __future__ import annotations

import io
from typing import Protocol

import numpy as np
import torch
from PIL import AvifImagePlugin, Image, features
from torch import Tensor

import mcm_fast


class Codec(Protocol):
    """Pictures are whatever the codec takes at once: conversion is not timed."""

    name: str

    def picture(self, image: Tensor) -> object: ...  # image: uint8 (3, H, W)

    def compress(self, picture: object, quality: int) -> bytes: ...

    def decompress(self, data: bytes) -> object: ...

    def image(self, decoded: object) -> Tensor: ...  # uint8 (3, H, W)


class Ours:
    """`small`, with as many threads as torch has."""

    name = "mcm_fast small"

    def __init__(self, threads: int):
        torch.set_num_threads(threads)
        self.codec = mcm_fast.Codec.from_file(mcm_fast.presets.WEIGHTS / "small.safetensors")

    def picture(self, image: Tensor) -> Tensor:
        return image

    def compress(self, picture: Tensor, quality: int) -> bytes:
        return self.codec.compress(picture, quality)

    def decompress(self, data: bytes) -> Tensor:
        return self.codec.decompress(data)

    def image(self, decoded: Tensor) -> Tensor:
        return decoded


class Pillow:
    """A format of Pillow. libjpeg and libwebp use one thread whatever they are given."""

    def __init__(self, name: str, format: str, threads: int, **options: object):
        self.name, self.format, self.options = name, format, options
        if format == "AVIF":
            options["max_threads"] = AvifImagePlugin.DEFAULT_MAX_THREADS = threads
        if format == "JXL":
            from pillow_jxl import JpegXLImagePlugin

            workers = 0 if threads == 1 else threads  # 0: none beside the calling thread
            options["num_threads"] = JpegXLImagePlugin.DECODE_THREADS = workers
        elif format != "JPEG" and not features.check(format.lower()):
            raise ImportError(f"this Pillow has no {format}")

    def picture(self, image: Tensor) -> Image.Image:
        return Image.fromarray(image.permute(1, 2, 0).contiguous().numpy())

    def compress(self, picture: Image.Image, quality: int) -> bytes:
        file = io.BytesIO()
        picture.save(file, self.format, quality=quality, **self.options)
        return file.getvalue()

    def decompress(self, data: bytes) -> Image.Image:
        picture = Image.open(io.BytesIO(data))
        picture.load()
        return picture

    def image(self, decoded: Image.Image) -> Tensor:
        return torch.from_numpy(np.array(decoded.convert("RGB"))).permute(2, 0, 1)


CODECS = {
    "mcm_fast": Ours,
    "JPEG": lambda threads: Pillow("JPEG (4:2:0, optimised)", "JPEG", threads, optimize=True),
    "WebP": lambda threads: Pillow("WebP (method 6)", "WEBP", threads, method=6),
    "AVIF": lambda threads: Pillow("AVIF (speed 6)", "AVIF", threads, speed=6),
    "AVIF-4": lambda threads: Pillow("AVIF (speed 4)", "AVIF", threads, speed=4),
    "JXL": lambda threads: Pillow("JPEG XL (effort 7)", "JXL", threads, effort=7),
}
