"""The road, both directions:

    image --analysis--> latents --encode--> bytes        compress
    image <-synthesis-- latents <--decode-- bytes        decompress

analysis and synthesis are floating point; encode and decode are integers only.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from . import container, model_file, presets
from .errors import BitstreamError
from .exact.engines import make_engine
from .exact.model import QUALITY_STEPS, IntegerModel
from .exact.quantize import export
from .inputs import Bytes, as_bytes, check_image, check_quality, check_rendering, check_target
from .latents import Latents, grid
from .network.model import Network
from .network.transforms import Synthesis

FAITHFUL = "faithful"


class Codec:
    """One model on one device. Made by `load`, `Codec.from_file` or `Codec.untrained`."""

    def __init__(
        self,
        network: Network,
        integers: IntegerModel,
        device: str | torch.device = "cpu",
        engine: str | None = None,
        renderings: dict[str, Synthesis] | None = None,
    ):
        self.device = torch.device(device)
        self.network = network.to(self.device).eval().requires_grad_(False)
        self.integers = integers
        others = {name: net.to(self.device) for name, net in (renderings or {}).items()}
        self.renderings = {FAITHFUL: self.network.synthesis, **others}
        self.engine = make_engine(integers, engine)

    @classmethod
    def from_file(cls, path, device="cpu", engine: str | None = None) -> Codec:
        """The codec of a model file (see `model_file`). Raises ValueError for any other file."""
        network, integers, renderings = model_file.load(path)
        return cls(network, integers, device, engine, renderings)

    @classmethod
    def untrained(cls, preset: str, seed: int = 0, device="cpu", engine=None) -> Codec:
        """Random weights, for benchmarks and tests: its streams only it can read."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = Network(presets.config_of(preset)).randomize()
        return cls(network, export(network), device, engine)

    # -- there -------------------------------------------------------------------------------

    def compress(
        self,
        image: Tensor,
        quality: float = 50.0,
        *,
        target_bpp: float | None = None,
        chunks: dict[str, bytes] | None = None,
    ) -> bytes | list[bytes]:
        """Compress an image, or each image of a batch.

        Args:
            image: uint8 or float in [0, 1], (3, H, W) or (N, 3, H, W), on any device.
            quality: 0 .. 100, in steps of 0.01. Not looked at with `target_bpp`.
            target_bpp: bits per pixel of the whole stream, found by bisection over the quality.
                Warns (UserWarning) when no quality comes within 2 %.
            chunks: metadata to carry, by four-letter type: {"iccp": ..., "exif": ...}.

        Returns: the stream; a list for a batch.
        Raises ValueError for anything else.
        """
        if target_bpp is not None:
            return self._each(image, lambda one: self._compress_to(one, target_bpp, chunks))
        latents = self.analysis(image, quality)
        return self.encode(latents, chunks)

    def analysis(self, image: Tensor, quality: float = 50.0) -> Latents | list[Latents]:
        """Image, (3, H, W) or (N, 3, H, W) -> its latents (a list for a batch)."""
        hundredths = check_quality(quality)
        return self._each(image, lambda one: self._quantize(*self._features(one), hundredths))

    def encode(
        self, latents: Latents | Sequence[Latents], chunks: dict[str, bytes] | None = None
    ) -> bytes | list[bytes]:
        """Latents -> the stream. Equal latents give equal bytes on every engine."""
        if not isinstance(latents, Latents):
            return [self.encode(one, chunks) for one in latents]
        self._check_latents(latents)
        coded, _ = self.engine.encode(latents.y, latents.z, latents.quality)
        header = latents.quality, latents.width, latents.height, latents.transposed
        return container.pack(container.Stream(self.integers.id, *header, coded, chunks or {}))

    # -- and back ----------------------------------------------------------------------------

    def decompress(
        self, stream: Bytes | Sequence[Bytes], rendering: str = FAITHFUL
    ) -> Tensor | list[Tensor]:
        """The image of a stream: uint8 (3, H, W) on the codec's device (a list for a list).

        Raises BitstreamError for bytes that are not a whole stream of this model, ValueError for a
        rendering that the model does not have.
        """
        check_rendering(rendering, self.renderings)
        return self.synthesis(self.decode(stream), rendering)

    def decode(self, stream: Bytes | Sequence[Bytes]) -> Latents | list[Latents]:
        """Stream -> the latents that were encoded, on every machine."""
        if isinstance(stream, list | tuple):
            return [self.decode(one) for one in stream]
        found = container.unpack(as_bytes(stream))
        if found.model != self.integers.id:
            ours = self.integers.id.hex()
            raise BitstreamError(f"a stream of model {found.model.hex()}; this is model {ours}")
        size = grid(found.width, found.height, found.transposed)
        y, z, parameters = self.engine.decode(found.coded, *size, found.quality)
        header = found.width, found.height, found.quality, found.transposed
        return Latents(y, z, *header, parameters)

    @torch.inference_mode()
    def synthesis(
        self, latents: Latents | Sequence[Latents], rendering: str = FAITHFUL
    ) -> Tensor | list[Tensor]:
        """Latents -> image, uint8 (3, H, W) on the codec's device (a list for a list)."""
        if not isinstance(latents, Latents):
            return [self.synthesis(one, rendering) for one in latents]
        self._check_latents(latents)
        network = check_rendering(rendering, self.renderings)
        parts = latents.parameters
        if parts is None:
            parts = self.engine.parameters(latents.y, latents.z, latents.quality)
        tensors = latents.y, parts.mu, parts.indexes, parts.hyper
        y, mu, index, hyper = (t[None].to(self.device).float() for t in tensors)
        level = self._level(latents.quality)
        image = self.network.render(y, mu / 16, index, hyper / 16, level, network)[0]
        if latents.transposed:
            image = image.transpose(1, 2)
        image = image[:, : latents.height, : latents.width]
        return (image * 255).round().clamp(0, 255).to(torch.uint8).contiguous()

    # -- the parts ---------------------------------------------------------------------------

    def bits(self, stream: Bytes) -> tuple[int, float]:
        """A stream's length and its ideal code length under the integer tables, both in bits."""
        latents = self.decode(stream)
        ideal = self.engine.cost(latents.y, latents.z, latents.quality)
        return 8 * len(as_bytes(stream)), ideal

    def _each(self, image: Tensor, function):
        check_image(image)
        return function(image) if image.dim() == 3 else [function(one) for one in image]

    @torch.inference_mode()
    def _features(self, image: Tensor) -> tuple[Tensor, int, int, bool]:
        """The analysis transform of one image before its gain unit, and the image's header.

        A portrait is transposed: its wavefront then takes fewer steps.
        """
        height, width = image.shape[1:]
        transposed = height > width
        pixels = image.to(self.device).float()
        pixels = pixels / 255 if image.dtype == torch.uint8 else pixels
        pixels = pixels.transpose(1, 2) if transposed else pixels
        pad = -pixels.shape[2] % 16, -pixels.shape[1] % 16
        pixels = F.pad(pixels[None], (0, pad[0], 0, pad[1]), mode="replicate")
        return self.network.analysis(pixels), width, height, transposed

    @torch.inference_mode()
    def _quantize(
        self, features: Tensor, width: int, height: int, transposed: bool, quality: int
    ) -> Latents:
        latents = self.network.latents(features, self._level(quality))
        y, z = (t[0].clamp(-(2**15), 2**15 - 1).to(torch.int16).cpu() for t in latents)
        return Latents(y, z, width, height, quality, transposed)

    def _level(self, quality: int) -> Tensor:
        """The gain level of a quality in hundredths, as the network takes it."""
        last = self.network.config.levels - 1
        return torch.tensor([quality * last / QUALITY_STEPS], device=self.device)

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
            warnings.warn(f"{target_bpp} bpp is out of reach: {bpp:.4f} is nearest", stacklevel=4)
        return best

    def _check_latents(self, latents: Latents) -> None:
        size = grid(latents.width, latents.height, latents.transposed)
        z_size = tuple(-(-n // 4) for n in size)
        expected = (self.integers.latent, *size), (self.integers.hyper_latent, *z_size)
        for name, tensor, shape in zip("yz", (latents.y, latents.z), expected, strict=True):
            if tensor.dtype != torch.int16 or tuple(tensor.shape) != shape:
                found = f"{tensor.dtype} {tuple(tensor.shape)}"
                raise ValueError(f"latents.{name} is {found}, not torch.int16 {shape}")
