"""Makes the golden streams of a `small` before it is published:
`PYTHONPATH=tests python tests/golden/make_small.py`. Today's is (docs/models.md): a decoder that
reads or paints its streams otherwise is wrong, and this is never run over them.

small/NAME.mcm are pieces of a photograph of scikit-image (its astronaut, by NASA, in the public
domain). small/index.json has the ids of the model and of its renderings and previews, and for each
stream the SHA-256 of its latents and of the pixels of each.
"""

import json

import skimage.data
import torch
from golden_small import FOLDER, ids_of, pixels_of

import mcm_fast
from mcm_fast.testing.streams import latents_hash

# name: top, left, height, width of the piece; quality; what else compress is told
STREAMS = {
    "low": ((60, 120, 192, 256), 0, {}),
    "middle": ((60, 120, 192, 256), 50, {}),
    "high": ((90, 180, 96, 128), 100, {}),
    "between": ((0, 300, 130, 75), 33.33, {}),
    "effort": ((60, 120, 192, 256), 25, {"effort": 3}),
    "gray": ((300, 200, 100, 101), 40, {}),
    "tiles": ((100, 100, 300, 200), 60, {"tiles": 128}),
}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    codec, streams = mcm_fast.load("small"), {}
    image = torch.from_numpy(skimage.data.astronaut()).permute(2, 0, 1)
    for name, ((top, left, height, width), quality, options) in STREAMS.items():
        piece = image[:, top : top + height, left : left + width]
        piece = piece[1:2] if name == "gray" else piece
        stream = codec.compress(piece.contiguous(), quality, **options)
        (FOLDER / f"{name}.mcm").write_bytes(stream)
        latents = codec.decode(stream)
        found = latents_hash(latents.z.numpy(), latents.y.numpy())
        streams[name] = {"latents": found, "pixels": pixels_of(stream)}
    index = {"model": mcm_fast.models()["small"], "ids": ids_of(), "streams": streams}
    (FOLDER / "index.json").write_text(json.dumps(index, indent=1) + "\n")


if __name__ == "__main__":
    main()
