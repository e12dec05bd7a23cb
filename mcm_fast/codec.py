"""The road, both directions:

    image --analysis--> latents --encode--> bytes        compress
    image <-synthesis-- latents <--decode-- bytes        decompress

analysis and synthesis are floating point; encode and decode are integers only.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence

import torch
from torch import Tensor

from . import container, model_file, presets
from .batch import RAISE, check_errors, each, together
from .container import Stream
from .errors import BitstreamError
from .exact.engine import Coded, Parameters
from .exact.engines import make_engine
from .exact.model import IntegerModel
from .exact.quantize import export
from .fork import survive_fork
from .inputs import (
    Bytes,
    Images,
    as_bytes,
    check_image,
    check_quality,
    check_rendering,
    check_target,
    split,
    usable_device,
)
from .latents import Latents, grid
from .limits import MAX_LATENTS, MAX_PIXELS, QUALITY_STEPS, TILE_PIXELS, check_limit, check_pixels
from .network.model import Network
from .network.transforms import Synthesis
from .transforms import run as transforms
from .transforms.weights import prepare

FAITHFUL = "faithful"


class Codec:
    """One model on one device. Made by `load`, `Codec.from_file` or `Codec.untrained`.

    Any number of threads may use one at once, and so may forked children (see `fork`).

    Attributes:
        max_pixels: larger images are refused, in both directions, before memory is taken for them.
            Counted in whole blocks of 16 x 16.
        tile_pixels: larger images are transformed in tiles of about that many (see `tiles`).
    """

    def __init__(
        self,
        network: Network,
        integers: IntegerModel,
        device: str | torch.device = "cpu",
        engine: str | None = None,
        renderings: dict[str, Synthesis] | None = None,
        *,
        max_pixels: int = MAX_PIXELS,
        tile_pixels: int = TILE_PIXELS,
    ):
        survive_fork()
        self.device = usable_device(device)
        self.network = prepare(network.to(self.device).eval().requires_grad_(False))
        self.integers = integers
        others = {name: prepare(net.to(self.device)) for name, net in (renderings or {}).items()}
        self.renderings = {FAITHFUL: self.network.synthesis, **others}
        self.engine = make_engine(integers, engine, self.device)
        self.max_pixels = check_limit("max_pixels", max_pixels)
        self.tile_pixels = check_limit("tile_pixels", tile_pixels)

    @classmethod
    def from_file(cls, path, device="cpu", engine: str | None = None, **limits: int) -> Codec:
        """The codec of a model file (see `model_file`). Raises ValueError for any other file."""
        network, integers, renderings = model_file.load(path)
        return cls(network, integers, device, engine, renderings, **limits)

    @classmethod
    def untrained(
        cls, preset: str, seed: int = 0, device="cpu", engine=None, **limits: int
    ) -> Codec:
        """Random weights, for benchmarks and tests: its streams only it can read."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = Network(presets.config_of(preset)).randomize()
        return cls(network, export(network), device, engine, **limits)

    def limited(self, *, max_pixels: int = MAX_PIXELS, tile_pixels: int = TILE_PIXELS) -> Codec:
        """The same codec, sharing all its memory, with other limits."""
        other = copy.copy(self)
        other.max_pixels = check_limit("max_pixels", max_pixels)
        other.tile_pixels = check_limit("tile_pixels", tile_pixels)
        return other

    # -- there -------------------------------------------------------------------------------

    def compress(
        self,
        image: Images,
        quality: float = 50.0,
        *,
        target_bpp: float | None = None,
        chunks: dict[str, bytes] | None = None,
        errors: str = RAISE,
    ) -> bytes | list[bytes]:
        """Compress an image, or each image of a batch.

        Args:
            image: uint8 or float in [0, 1], (3, H, W), on any device; for a batch (N, 3, H, W), or
                a list of images of any sizes.
            quality: 0 .. 100, in steps of 0.01. Not looked at with `target_bpp`.
            target_bpp: bits per pixel of the whole stream, found by bisection over the quality.
                Warns (UserWarning) when no quality comes within 2 %.
            chunks: metadata to carry, by four-letter type: {"iccp": ..., "exif": ...}.
            errors: of a batch. "raise": the first that is found, with its image's index. "return":
                each stands in its image's place in the list.

        Returns: the stream; a list for a batch.
        Raises ValueError for anything else, and for an image above `max_pixels`.
        """
        check_errors(errors)
        images = split(image)
        if target_bpp is not None:
            check_target(target_bpp)
            if images is None:
                return self._compress_to(image, target_bpp, chunks)
            return each(lambda one: self._compress_to(one, target_bpp, chunks), images, errors)
        check_quality(quality)
        if images is None:
            return self.encode(self.analysis(image, quality), chunks)
        latents = each(lambda one: self.analysis(one, quality), images, errors)
        return together(lambda good: self._encode_batch(good, chunks), latents, errors)

    def analysis(self, image: Images, quality: float = 50.0) -> Latents | list[Latents]:
        """Image -> its latents (a list for a batch)."""
        hundredths = check_quality(quality)
        images = split(image)
        if images is not None:
            return each(lambda one: self.analysis(one, quality), images)
        return self._quantize(*self._features(image), hundredths)

    def encode(
        self, latents: Latents | Sequence[Latents], chunks: dict[str, bytes] | None = None
    ) -> bytes | list[bytes]:
        """Latents -> the stream. Equal latents give equal bytes on every engine."""
        if isinstance(latents, Latents):
            self._check_latents(latents)
            return self._encode_batch([latents], chunks)[0]
        each(self._check_latents, latents)
        return self._encode_batch(latents, chunks)

    # -- and back ----------------------------------------------------------------------------

    def decompress(
        self, stream: Bytes | Sequence[Bytes], rendering: str = FAITHFUL, *, errors: str = RAISE
    ) -> Tensor | list[Tensor]:
        """The image of a stream: uint8 (3, H, W) on the codec's device (a list for a list).

        `errors`: see `compress`. Raises BitstreamError for bytes that are not a whole stream of
        this model, or of an image above `max_pixels`; ValueError for a rendering that the model
        does not have.
        """
        check_errors(errors)
        check_rendering(rendering, self.renderings)
        if not isinstance(stream, list | tuple):
            return self.synthesis(self.decode(stream), rendering)
        latents = self._decode_batch(stream, errors)
        return each(lambda one: self.synthesis(one, rendering), latents, errors)

    def decode(self, stream: Bytes | Sequence[Bytes]) -> Latents | list[Latents]:
        """Stream -> the latents that were encoded, on every machine."""
        if isinstance(stream, list | tuple):
            return self._decode_batch(stream, RAISE)
        decoded = self._decode_all([self._unpack(stream)])[0]
        if isinstance(decoded, BitstreamError):
            raise decoded
        return decoded

    def synthesis(
        self, latents: Latents | Sequence[Latents], rendering: str = FAITHFUL
    ) -> Tensor | list[Tensor]:
        """Latents -> image, uint8 (3, H, W) on the codec's device (a list for a list)."""
        if not isinstance(latents, Latents):
            return each(lambda one: self.synthesis(one, rendering), latents)
        self._check_latents(latents)
        network = check_rendering(rendering, self.renderings)
        parts = latents.parameters
        if parts is None:
            parts = self.engine.parameters(latents.y, latents.z, latents.quality)
        level = self._level(latents.quality)
        return transforms.synthesis(self.network, network, latents, parts, level, self.tile_pixels)

    # -- the parts ---------------------------------------------------------------------------

    def bits(self, stream: Bytes) -> tuple[int, float]:
        """A stream's length and its ideal code length under the integer tables, both in bits."""
        latents = self.decode(stream)
        ideal = self.engine.cost(latents.y, latents.z, latents.quality)
        return 8 * len(as_bytes(stream)), ideal

    def _encode_batch(self, latents: Sequence[Latents], chunks: dict | None) -> list[bytes]:
        found = self.engine.encode([(one.y, one.z, one.quality) for one in latents])
        coded = (parts[0] for parts in found)
        return [self._pack(*pair, chunks) for pair in zip(latents, coded, strict=True)]

    def _pack(self, latents: Latents, coded: Coded, chunks: dict | None) -> bytes:
        header = latents.quality, latents.width, latents.height, latents.transposed
        return container.pack(Stream(self.integers.id, *header, coded, chunks or {}))

    def _decode_batch(self, streams: Sequence[Bytes], errors: str) -> list[Latents]:
        return together(self._decode_all, each(self._unpack, streams, errors), errors)

    def _decode_all(self, found: list[Stream]) -> list[Latents | BitstreamError]:
        decoded = self.engine.decode([_coded(stream) for stream in found])
        return [
            parts if isinstance(parts, BitstreamError) else _latents(stream, *parts)
            for stream, parts in zip(found, decoded, strict=True)
        ]

    def _unpack(self, stream: Bytes) -> Stream:
        """All of a stream that can be checked before its latents are decoded."""
        found = container.unpack(as_bytes(stream), self.max_pixels)
        if found.model != self.integers.id:
            ours = self.integers.id.hex()
            raise BitstreamError(f"a stream of model {found.model.hex()}; this is model {ours}")
        height, width = grid(found.width, found.height, found.transposed)
        channels = self.integers.latent + self.integers.hyper_latent
        if height * width * channels > MAX_LATENTS:
            raise BitstreamError(f"an image of {found.width}x{found.height}: too many latents")
        return found

    def _features(self, image: Tensor) -> tuple[Tensor, int, int, bool]:
        """The analysis transform of one image before its gain unit, and the image's header.

        A portrait is transposed: its wavefront then takes fewer steps.
        """
        check_image(image)
        height, width = image.shape[1:]
        check_pixels(width, height, self.max_pixels)
        transposed = height > width
        options = transposed, self.tile_pixels, self.device
        features = transforms.analysis(self.network, image, *options)
        return features, width, height, transposed

    @torch.inference_mode()
    def _quantize(
        self, features: Tensor, width: int, height: int, transposed: bool, quality: int
    ) -> Latents:
        latents = self.network.latents(features, self._level(quality))
        y, z = (t[0].clamp(-(2**15), 2**15 - 1).to(torch.int16) for t in latents)
        return Latents(y, z, width, height, quality, transposed)

    def _level(self, quality: int) -> Tensor:
        """The gain level of a quality in hundredths, as the network takes it."""
        last = self.network.config.levels - 1
        return torch.full((1,), quality * last / QUALITY_STEPS, device=self.device)

    def _compress_to(self, image: Tensor, target_bpp: float, chunks) -> bytes:
        """Bisection: the rate rises with the quality. Keeps the stream nearest to the target."""
        target = check_target(target_bpp) * image[0].numel() / 8
        features = self._features(image)
        low, high, best = 0, QUALITY_STEPS, b""
        while low <= high:
            middle = (low + high) // 2
            stream = self.encode(self._quantize(*features, middle), chunks)
            if not best or abs(len(stream) - target) < abs(len(best) - target):
                best = stream
            if abs(len(stream) - target) <= 0.002 * target:
                break
            low, high = (middle + 1, high) if len(stream) < target else (low, middle - 1)
        if abs(len(best) - target) > 0.02 * target:
            bpp = 8 * len(best) / image[0].numel()
            warnings.warn(f"{target_bpp} bpp is out of reach: {bpp:.4f} is nearest", stacklevel=3)
        return best

    def _check_latents(self, latents: Latents) -> None:
        if not 0 <= latents.quality <= QUALITY_STEPS:
            raise ValueError(f"latents.quality is {latents.quality}, not in 0..{QUALITY_STEPS}")
        size = grid(latents.width, latents.height, latents.transposed)
        z_size = tuple(-(-n // 4) for n in size)
        expected = (self.integers.latent, *size), (self.integers.hyper_latent, *z_size)
        for name, tensor, shape in zip("yz", (latents.y, latents.z), expected, strict=True):
            if tensor.dtype != torch.int16 or tuple(tensor.shape) != shape:
                found = f"{tensor.dtype} {tuple(tensor.shape)}"
                raise ValueError(f"latents.{name} is {found}, not torch.int16 {shape}")


def _coded(stream: Stream) -> tuple[Coded, int, int, int]:
    """What an engine decodes a stream from."""
    size = grid(stream.width, stream.height, stream.transposed)
    return stream.coded, *size, stream.quality


def _latents(stream: Stream, y: Tensor, z: Tensor, parameters: Parameters) -> Latents:
    header = stream.width, stream.height, stream.quality, stream.transposed
    return Latents(y, z, *header, parameters)
