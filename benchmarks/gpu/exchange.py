"""What one machine codes, the other reads: the CPU's engine and the GPU's, both ways, bit for bit.

Prints JSON, the last line with all that was exchanged. Any difference in an integer is an error.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from dry import interpreted
from images import made, photographs

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
    parser.add_argument("--few", action="store_true", help="small images only")
    parser.add_argument("--images", type=Path)
    arguments = parser.parse_args()
    with interpreted(arguments.dry_run):
        exchange = Exchange(arguments.dry_run)
        if arguments.dry_run or arguments.few:
            exchange.check([made(16, 24), made(1, 1)], [50])
        else:
            exchange.everything(arguments.images)
    _require(exchange.tally["psnr_apart"] <= 0.02, "the PSNRs of both are within 0.02 dB")


class Exchange:
    """A codec on the CPU and one on the GPU; `found`: what they have exchanged."""

    def __init__(self, dry_run: bool):
        if dry_run:
            self.cpu = Codec.untrained("tiny", engine="cpu")
            self.gpu = Codec.untrained("tiny", engine="cuda")
        else:
            self.cpu = mcm_fast.load("small", "cpu")
            self.gpu = mcm_fast.load("small", "cuda", engine="cuda")
        self.tally = {"streams": 0, "images": 0, "largest": 0, "pixels_apart": 0, "psnr_apart": 0.0}

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
        for quality in qualities:
            for writer, reader in ((self.cpu, self.gpu), (self.gpu, self.cpu)):
                self._send(writer, reader, images, quality)
        self.tally["images"] += len(images)
        largest = max(image[0].numel() for image in images)
        self.tally["largest"] = max(self.tally["largest"], largest)
        print(json.dumps(self.tally), flush=True)

    def _send(self, writer, reader, images: Sequence, quality: float) -> None:
        latents = [writer.analysis(image, quality) for image in images]
        streams = writer.compress_many(images, quality)
        _require([reader.encode(each) for each in latents] == streams, "both write the same bytes")
        read, own = _read(reader, streams), _read(writer, streams)
        _require(read == latents, "the latents that were written are read")
        _require(own == latents, "and by their writer, too")
        for theirs, ours in zip(read, own, strict=True):
            _require(_same_parameters(theirs, ours), "mu, indexes and hyper are the same")
        self._compare(images[0], reader.synthesis(read[0]), writer.synthesis(own[0]))
        self.tally["streams"] += len(streams)

    def _compare(self, image, theirs, ours) -> None:
        """Floating point: the pictures may differ a little, the GPU's being of half precision."""
        theirs, ours = theirs.cpu(), ours.cpu()
        apart = int((theirs.int() - ours.int()).abs().max())
        self.tally["pixels_apart"] = max(self.tally["pixels_apart"], apart)
        difference = abs(psnr(theirs, image) - psnr(ours, image))
        if image[0].numel() >= LARGE:
            self.tally["psnr_apart"] = max(self.tally["psnr_apart"], round(difference, 4))


def _read(codec: Codec, streams: Sequence[bytes]) -> list[Latents]:
    """The latents of a batch, decoded together, with what the entropy model says of them."""
    return codec._decode([container.unpack(stream) for stream in streams])


def _same_parameters(a, b) -> bool:
    names = "mu", "indexes", "hyper"
    pairs = ((getattr(a.parameters, name), getattr(b.parameters, name)) for name in names)
    return all(torch.equal(x.cpu(), y.cpu()) for x, y in pairs)


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise SystemExit(f"not so: {what}")


if __name__ == "__main__":
    main()
