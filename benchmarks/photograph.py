"""A photograph of any size: scikit-image's cup of coffee, mirrored until it is large enough."""

import torch
from torch import Tensor


def photograph(width: int, height: int) -> Tensor:
    """A uint8 image (3, height, width)."""
    from skimage import data

    image = torch.from_numpy(data.coffee()).permute(2, 0, 1)
    for dimension, size in ((1, height), (2, width)):
        mirrored = torch.cat([image, image.flip(dimension)], dimension)
        copies = -(-size // mirrored.shape[dimension])
        image = torch.cat([mirrored] * copies, dimension).narrow(dimension, 0, size)
    return image.contiguous()
