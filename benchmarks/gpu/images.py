"""Images to exchange and to time: PNG files, or photographs of scikit-image, or made ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

PHOTOGRAPHS = "astronaut", "chelsea", "coffee", "rocket"


def photographs(folder: Path | None, most: int) -> dict[str, Tensor]:
    """Some images, uint8 (3, H, W), by name."""
    if folder is not None:
        paths = sorted(folder.glob("*.png"))[:most]
        if not paths:
            raise SystemExit(f"no PNG files in {folder}")
        arrays = {path.stem: np.asarray(Image.open(path).convert("RGB")) for path in paths}
        return {name: torch.from_numpy(a.copy()).permute(2, 0, 1) for name, a in arrays.items()}
    try:
        return _of_scikit_image(most)
    except Exception:  # not installed, or its files are not here and cannot be fetched
        return {f"made {seed}": made(300 + 70 * seed, 451, seed) for seed in range(most)}


def _of_scikit_image(most: int) -> dict[str, Tensor]:
    import skimage.data

    arrays = {name: getattr(skimage.data, name)() for name in PHOTOGRAPHS[:most]}
    return {name: torch.from_numpy(a.copy()).permute(2, 0, 1)[:3] for name, a in arrays.items()}


def made(height: int, width: int, seed: int = 0) -> Tensor:
    """Smooth shapes, edges and some noise."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 6, 8, generator=generator)
    smooth = F.interpolate(coarse, (height, width), mode="bicubic", align_corners=False)[0]
    edges = (smooth[:1] > 0.5).float()
    noise = torch.randn(3, height, width, generator=generator)
    image = 0.7 * smooth + 0.2 * edges + 0.02 * noise
    return (255 * image).round().clamp(0, 255).to(torch.uint8)


def fitted(image: Tensor, height: int, width: int) -> Tensor:
    """The image at another size."""
    image = F.interpolate(image[None].float(), (height, width), mode="bicubic", antialias=True)
    return image[0].round().clamp(0, 255).to(torch.uint8)
