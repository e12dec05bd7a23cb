"""A codec for zarr version 3: chunks that are pictures, as `.mcm` streams. Lossy.

    zarr.create_array(store, shape=(n, h, w, 3), chunks=(1, 512, 512, 3), dtype="uint8",
                      serializer=McmCodec(quality=50), compressors=None)

An entry point makes it known by its name, `mcm_fast`: what has been written needs no import to be
read.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import numpy as np
from zarr.abc.codec import ArrayBytesCodec

from .pictures import decode, encode

NAME = "mcm_fast"


@dataclass(frozen=True)
class McmCodec(ArrayBytesCodec):
    """Chunks (..., H, W, C) of uint8 whose leading sides are 1 and C is 1 to 4 <-> streams."""

    is_fixed_size = False

    quality: float = 50.0
    effort: int = 0

    @classmethod
    def from_dict(cls, data: Any) -> McmCodec:
        return cls(**data.get("configuration", {}))

    def to_dict(self) -> dict[str, Any]:
        configuration = {"quality": self.quality, "effort": self.effort}
        return {"name": NAME, "configuration": configuration}

    def validate(self, *, shape: tuple[int, ...], dtype: Any, chunk_grid: Any) -> None:
        """ValueError for an array whose chunks are no pictures."""
        kind = dtype.to_native_dtype()
        if kind != np.uint8:
            raise ValueError(f"the codec {NAME} is for uint8, not {kind}")
        chunk = tuple(getattr(chunk_grid, "chunk_shape", ()))
        if chunk and not _is_picture(chunk):
            raise ValueError(f"a chunk for {NAME} is (1, ..., H, W, C), C 1 to 4, not {chunk}")

    async def _encode_single(self, chunk_data: Any, chunk_spec: Any) -> Any:
        array = chunk_data.as_numpy_array()
        picture = np.ascontiguousarray(array.reshape(array.shape[-3:]))
        stream = await asyncio.to_thread(encode, picture, self.quality, self.effort)
        return chunk_spec.prototype.buffer.from_bytes(stream)

    async def _decode_single(self, chunk_data: Any, chunk_spec: Any) -> Any:
        picture = await asyncio.to_thread(decode, chunk_data.to_bytes(), "numpy")
        if picture.shape != chunk_spec.shape[-3:]:
            raise ValueError(f"a chunk of {picture.shape} where {chunk_spec.shape} is expected")
        buffer = chunk_spec.prototype.nd_buffer
        return buffer.from_ndarray_like(picture.reshape(chunk_spec.shape))

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: Any) -> int:
        raise NotImplementedError("streams have any length")


def _is_picture(chunk: tuple[int, ...]) -> bool:
    return len(chunk) >= 3 and all(side == 1 for side in chunk[:-3]) and 1 <= chunk[-1] <= 4
