"""Ray Data: callable classes for `map_batches`. Each actor loads its model once.

dataset.map_batches(Compress, fn_constructor_kwargs={"column": "image", "quality": 50},
                    batch_size=16, concurrency=2)               # num_gpus=1 for one a GPU
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..presets import FAITHFUL
from .pictures import as_tensor, is_stream

Batch = dict[str, Any]


class Compress:
    """Pictures of a column, arrays (H, W, C) or encoded files (bytes) -> streams in column `into`.

    A picture that fails is None there, and its error stands in column "error"; where all is well
    that is None.
    """

    def __init__(
        self,
        column: str = "image",
        into: str = "mcm",
        quality: float = 50.0,
        effort: int = 0,
        device: str | None = None,
    ) -> None:
        from .. import load

        self.codec = load(device=device or _own_device())
        self.column, self.into, self.quality, self.effort = column, into, quality, effort

    def __call__(self, batch: Batch) -> Batch:
        images = [_attempt(_picture, item) for item in batch[self.column]]
        good = [image for image in images if not isinstance(image, Exception)]
        streams = iter(
            self.codec.compress_many(good, self.quality, effort=self.effort, on_error="return")
        )
        done = [image if isinstance(image, Exception) else next(streams) for image in images]
        kept = {name: values for name, values in batch.items() if name != self.column}
        return kept | _columns(self.into, done)


class Decompress:
    """Streams of a column -> pictures, arrays uint8 (H, W, C), in column `into`, painted by a
    rendering of their model; errors as in `Compress`."""

    def __init__(
        self,
        column: str = "mcm",
        into: str = "image",
        device: str | None = None,
        rendering: str = FAITHFUL,
    ) -> None:
        from .. import load

        self.codec = load(device=device or _own_device())
        self.column, self.into, self.rendering = column, into, rendering

    def __call__(self, batch: Batch) -> Batch:
        streams = [bytes(stream) for stream in batch[self.column]]
        images = self.codec.decompress_many(streams, self.rendering, on_error="return")
        done = [
            image if isinstance(image, Exception) else image.permute(1, 2, 0).cpu().numpy()
            for image in images
        ]
        kept = {name: values for name, values in batch.items() if name != self.column}
        return kept | _columns(self.into, done)


def _own_device() -> str:
    """The GPU that Ray gave this actor, if it gave any."""
    import ray

    return "cuda" if ray.get_gpu_ids() else "cpu"


def _picture(item: Any) -> Any:
    if not isinstance(item, bytes):
        return as_tensor(item)
    if is_stream(item):
        raise ValueError("a stream: it is compressed already")
    import io

    from ..images import read_image

    return read_image(io.BytesIO(item), channels="own")[0]


def _attempt(function: Any, item: Any) -> Any:
    try:
        return function(item)
    except (ValueError, OSError) as error:
        return error


def _columns(name: str, outcomes: list[Any]) -> Batch:
    """A column of what was made, and one of errors."""
    values, errors = np.empty(len(outcomes), object), np.empty(len(outcomes), object)
    for i, outcome in enumerate(outcomes):
        failed = isinstance(outcome, Exception)
        values[i], errors[i] = (None, str(outcome)) if failed else (outcome, None)
    return {name: values, "error": errors}
