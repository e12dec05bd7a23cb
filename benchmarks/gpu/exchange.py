"""What one machine codes, the other reads: the CPU's engine and the GPU's, both ways, bit for bit.

Prints a row for each batch that was exchanged. Any difference in an integer is an error; what comes
after it is exchanged all the same.
"""

from __future__ import annotations

import argparse
import traceback
from collections.abc import Sequence
from pathlib import Path

import torch
import variants
from differences import Different, require_equal
from dry import interpreted
from images import made, photographs
from rows import say

import mcm_fast
from mcm_fast import Codec, Latents, container
from mcm_fast.evaluation.metrics import psnr

QUALITIES = 10, 50, 90
BATCH = 8
LARGE = 2**16  # pixels of an image whose PSNR says something
SIZES = [(1, 1), (1, 65), (63, 64), (257, 513), (1080, 1920), (2160, 3840)]  # height, width


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--images", type=Path)
    parser.add_argument("--variant")
    arguments = parser.parse_args()
    variants.apply(arguments.variant)
    with interpreted(arguments.dry_run):
        exchange = Exchange(arguments.dry_run)
        if arguments.dry_run:
            exchange.check([made(16, 24), made(1, 1)], [50])
        else:
            exchange.everything(arguments.images)
    if exchange.wrong:
        raise SystemExit(f"{exchange.wrong} exchanges went wrong")


class Exchange:
    """A codec on the CPU and one on the GPU. `wrong`: how many exchanges have failed."""

    def __init__(self, dry_run: bool):
        if dry_run:
            self.cpu = Codec.untrained("tiny", engine="cpu")
            self.gpu = Codec.untrained("tiny", engine="cuda")
        else:
            self.cpu = mcm_fast.load("small", "cpu")
            self.gpu = mcm_fast.load("small", "cuda", engine="cuda")
        self.wrong = 0

    def everything(self, folder: Path | None) -> None:
        """Photographs one by one and in a batch, made images of all sizes the same."""
        pictures = list(photographs(folder, BATCH).values())
        for image in pictures:
            self.check([image], QUALITIES)
        self.check([pictures[i % len(pictures)] for i in range(BATCH)], QUALITIES)
        for size in SIZES:
            self.check([made(*size)], QUALITIES)
        self.check([made(*size, seed) for seed, size in enumerate(SIZES[:5])], QUALITIES)

    def check(self, images: Sequence, qualities: Sequence[float]) -> None:
        """A batch of images at each quality, from the CPU to the GPU and back."""
        sizes = sorted({tuple(image.shape[1:]) for image in images})
        for quality in qualities:
            for writer, reader in ((self.cpu, self.gpu), (self.gpu, self.cpu)):
                row = {"images": len(images), "sizes": sizes[:4], "quality": quality}
                row |= {"from": writer.device.type, "to": reader.device.type}
                try:
                    say(**row, **self._send(writer, reader, images, quality))
                except Exception as error:
                    traceback.print_exc()
                    say(**row, wrong=repr(error))
                    self.wrong += 1

    def _send(self, writer, reader, images: Sequence, quality: float) -> dict[str, float]:
        latents = [writer.analysis(image, quality) for image in images]
        streams = writer.compress_many(images, quality)
        again = [reader.encode(each) for each in latents]
        for ours, theirs in zip(streams, again, strict=True):
            pair = (torch.frombuffer(bytearray(s), dtype=torch.uint8) for s in (theirs, ours))
            require_equal("bytes of a stream", *pair)
        read, own = _read(reader, streams), _read(writer, streams)
        for written, theirs, ours in zip(latents, read, own, strict=True):
            for name in ("z", "y"):
                require_equal(f"{name} as read", getattr(theirs, name), getattr(written, name))
                require_equal(f"{name}, by its writer", getattr(ours, name), getattr(written, name))
            said = theirs.parameters, ours.parameters
            if said == (None, None):  # of images in coding tiles nothing is kept
                continue
            for name in ("hyper", "mu", "indexes"):
                require_equal(name, *(getattr(each, name) for each in said))
        pairs = (reader, read[0]), (writer, own[0])
        return self._compare(images[0], *(codec.synthesis(x, exact=False) for codec, x in pairs))

    def _compare(self, image, theirs, ours) -> dict[str, float]:
        """Floating point: the pictures may differ a little, the GPU's being of half precision."""
        theirs, ours = theirs.cpu(), ours.cpu()
        apart = int((theirs.int() - ours.int()).abs().max())
        if image[0].numel() < LARGE:
            return {"pixels_apart": apart}
        difference = abs(psnr(theirs, image) - psnr(ours, image))
        if difference > 0.02:
            raise Different(f"the PSNRs are {difference:.4f} dB apart")
        return {"pixels_apart": apart, "psnr_apart": round(difference, 4)}


def _read(codec: Codec, streams: Sequence[bytes]) -> list[Latents]:
    """The latents of a batch, decoded together, with what the entropy model says of them."""
    return codec._decode([container.unpack(stream) for stream in streams])


if __name__ == "__main__":
    main()
