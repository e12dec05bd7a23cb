"""Made effort.mcm, once: `python tests/golden/make_effort.py`. A stream whose latents were searched
for (`mcm_fast.effort`), for the model of make.py: what encoders find may change, this may not."""

import torch
from make import keep
from safetensors.torch import load_file

from mcm_fast import Codec
from mcm_fast.effort import improve
from mcm_fast.exact.model import IntegerModel
from mcm_fast.testing import golden_model


def picture() -> torch.Tensor:
    """Waves under a hard edge, uint8 (3, 90, 150)."""
    rows, columns = torch.arange(90.0)[:, None], torch.arange(150.0)[None]
    planes = [(rows / a).sin() + (columns / b).cos() for a, b in ((9, 4), (5, 11), (20, 7))]
    image = 128 + 60 * torch.stack(planes)
    image[:, 30:60, 40:100] = 250
    return image.to(torch.uint8)


def main() -> None:
    integers = IntegerModel(load_file(golden_model()))
    codec = Codec(Codec.untrained("tiny", seed=2021).network, integers)
    image = picture()
    found = improve(codec, image, codec.analysis(image, 60), effort=3)
    keep("effort", codec.encode(found), found)


if __name__ == "__main__":
    main()
