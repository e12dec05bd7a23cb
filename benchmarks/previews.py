"""What previews lose and cost: `python benchmarks/previews.py MODEL IMAGE [IMAGE ...]`.

At qualities 10, 50 and 90 the PSNR of the means over blocks of the whole decoded image and of the
preview, both against the means of the original; then, of the first image at quality 50, the
processor time of the entropy part, of the synthesis and of a preview, one thread.
"""

import statistics
import sys
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from mcm_fast import Codec
from mcm_fast.evaluation.metrics import psnr
from mcm_fast.images import read_image

SCALES, QUALITIES, REPEATS = (8, 16), (10, 50, 90), 15


def shrunk(image: Tensor, scale: int) -> Tensor:
    """uint8 (3, H, W) -> its means over blocks of what there is, in levels."""
    return F.avg_pool2d(image[None].double(), scale, ceil_mode=True)[0]


def losses(codec: Codec, paths: list[str]) -> None:
    images = [read_image(path)[0] for path in paths]
    for quality in QUALITIES:
        whole: dict[int, list[float]] = {scale: [] for scale in SCALES}
        preview: dict[int, list[float]] = {scale: [] for scale in SCALES}
        for image in images:
            stream = codec.compress(image, quality)
            decoded = codec.decompress(stream)
            for scale in SCALES:
                original = shrunk(image, scale)
                whole[scale].append(psnr(shrunk(decoded, scale), original))
                found = codec.decompress(stream, scale=scale).double()
                preview[scale].append(psnr(found, original))
        for scale in SCALES:
            a, b = map(statistics.mean, (whole[scale], preview[scale]))
            worst = max(x - y for x, y in zip(whole[scale], preview[scale], strict=True))
            print(f"quality {quality}, 1/{scale}: {a:.2f} dB of the whole, {b:.2f} of the preview, "
                  f"{a - b:.2f} less, at worst {worst:.2f}")  # fmt: skip


def milliseconds(action: Callable[[], object]) -> float:
    spent = []
    for _ in range(REPEATS):
        start = time.process_time()
        action()
        spent.append(time.process_time() - start)
    return 1000 * statistics.median(spent)


def times(codec: Codec, path: str) -> None:
    stream = codec.compress(read_image(path)[0], 50)
    latents = codec.decode(stream)
    entropy = milliseconds(lambda: codec.decode(stream))
    synthesis = milliseconds(lambda: codec.synthesis(latents))
    print(f"entropy part {entropy:.1f} ms, synthesis {synthesis:.1f} ms")
    for scale in SCALES:
        all_of_it = milliseconds(lambda s=scale: codec.decompress(stream, scale=s))
        share = 100 * (all_of_it - entropy) / synthesis
        print(f"1/{scale}: {all_of_it:.1f} ms, entropy part and {share:.1f} % of the synthesis")


def main() -> None:
    torch.set_num_threads(1)
    codec = Codec.from_file(sys.argv[1])
    times(codec, sys.argv[2])
    losses(codec, sys.argv[2:])


if __name__ == "__main__":
    main()
