"""A picture -> a stream, and what the manifest says of it."""

from __future__ import annotations

import io
import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..container import info

if TYPE_CHECKING:
    import torch

    from .sources import Sample


@dataclass(frozen=True)
class Work:
    """How each picture is compressed. It travels to other processes.

    `quality` and `target_bpp` exclude each other; with `psnr` every stream is decoded again.
    """

    quality: float | None = None
    target_bpp: float | None = None
    effort: int = 0
    model: str = "small"
    device: str = "cpu"
    psnr: bool = True
    max_pixels: int = 2**28

    def __call__(self, sample: Sample) -> tuple[bytes, dict[str, Any]]:
        """The stream, b"" if there is none, and the manifest's line."""
        facts: dict[str, Any] = {"key": sample.key, "source": sample.source}
        facts["source_bytes"] = len(sample.data)
        if sample.error:
            return b"", facts | {"error": sample.error}
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            try:
                stream, more = self._compressed(sample.data)
            except (ValueError, OSError, MemoryError) as error:
                message = str(error).partition("\n")[0] or type(error).__name__
                return b"", facts | {"error": message}
        notes = [str(w.message).partition("\n")[0] for w in caught if w.category is UserWarning]
        told = {"notes": list(dict.fromkeys(notes))} if notes else {}
        return stream, facts | more | told

    def _compressed(self, data: bytes) -> tuple[bytes, dict[str, Any]]:
        import mcm_fast

        from ..images import read_image

        image, metadata = read_image(io.BytesIO(data), max_pixels=self.max_pixels, channels="own")
        # One thread, so that the bytes do not depend on how many processes there are.
        codec = mcm_fast.load(self.model, self.device, max_pixels=self.max_pixels, threads=1)
        stream = codec.compress(
            image,
            self.quality,
            target_bpp=self.target_bpp,
            effort=self.effort,
            metadata=metadata,
        )
        facts = {name: info(stream)[name] for name in ("bytes", "width", "height", "quality")}
        if self.psnr:
            facts["psnr"] = _psnr(codec.decompress(stream), image)
        return stream, facts


def _psnr(decoded: torch.Tensor, image: torch.Tensor) -> float | None:
    """dB of the colours, to hundredths, without what alpha hides. None: there is no difference."""
    error = (decoded.cpu().double() - image.cpu().double()).square()
    if len(image) in (2, 4):
        error = error[:-1][(image[-1:].cpu() > 0).expand_as(error[:-1])]
    mean = float(error.mean()) if error.numel() else 0.0
    return round(10 * math.log10(255**2 / mean), 2) if mean else None
