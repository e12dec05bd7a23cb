"""Pillow reads and writes `.mcm` files once this module is imported.

    import mcm_fast.pillow

    image = Image.open("photo.mcm")                 # the header alone: size, mode, ICC, Exif, XMP
    image.save("copy.mcm", quality=50)              # also effort=, target_bpp=, exif=, xmp=, ...

Modes L, LA, RGB and RGBA. Opening and loading need no torch; saving does.
"""

from __future__ import annotations

from typing import IO, Any, BinaryIO, cast

from PIL import ExifTags, Image, ImageFile

from . import container
from .errors import BitstreamError, Reason
from .installed import has_decoder, load_decoder
from .integrations.pictures import array_of
from .limits import MAX_PIXELS
from .metadata import named

FORMAT = "MCM"
MIME = "image/x-mcm"
EXIF_PREFIX = b"Exif\x00\x00"
_UNLIMITED = 2**64
_GRAY_MODES = {"1", "L"}
# Pillow clips these at 255 where it converts them, which is no picture any more.
_DEEP_MODES = {"I", "F", "I;16", "I;16L", "I;16B", "I;16N"}


class McmImageFile(ImageFile.ImageFile):
    """A `.mcm` file of which nothing but header and metadata has been read."""

    format = FORMAT
    format_description = "mcm_fast learned image"

    def _open(self) -> None:
        assert self.fp is not None
        try:
            source = container.as_source(cast(BinaryIO, self.fp))
            header = container.read_header(source, _UNLIMITED)  # Pillow's own limit decides
            self.info.update(named(container.read_chunks(source)))
        except BitstreamError as error:
            raise SyntaxError(str(error)) from error
        self._size = header.width, header.height
        colours, alpha = ("L" if header.gray else "RGB"), container.ALPHA in header.chunks
        self._mode = colours + "A" * alpha
        self._model = header.model
        self.tile = [ImageFile._Tile(FORMAT, (0, 0, *self.size), 0, (1,))]

    def draft(
        self, mode: str | None, size: tuple[int, int] | None
    ) -> tuple[str, tuple[int, int, float, float]] | None:
        """Load a preview of 1/8 or 1/16, at least as large as `size`, where the model has them."""
        if size is None or len(self.tile) != 1 or self.decoderconfig:
            return None
        width, height = self.size
        scales = load_decoder(self._model).scales if has_decoder(self._model) else [1]
        scale = max(
            (n for n in scales if width >= n * size[0] and height >= n * size[1]), default=1
        )
        if scale == 1:
            return None
        self._size = -(-width // scale), -(-height // scale)
        self.tile = [ImageFile._Tile(FORMAT, (0, 0, *self.size), 0, (scale,))]
        self.decoderconfig = (scale,)
        return self.mode, (0, 0, width / scale, height / scale)

    def load_seek(self, pos: int) -> None:
        # Its presence tells ImageFile.Parser that the decoder wants the whole file.
        assert self.fp is not None
        self.fp.seek(pos)

    def verify(self) -> None:
        """Check every checksum. Raises OSError for what is not whole."""
        if self.fp is None:
            raise RuntimeError("verify must be called directly after open")
        self.fp.seek(0)
        try:
            facts = container.info(cast(BinaryIO, self.fp), verify=True)
        except BitstreamError as error:
            raise OSError(str(error)) from error
        if facts["damaged"] or facts["lost"]:
            raise OSError(f"damaged stream: {len(facts['damaged'])} tiles, chunks {facts['lost']}")
        super().verify()


class McmDecoder(ImageFile.PyDecoder):
    """Stream -> pixels, by the decoder that needs no torch."""

    _pulls_fd = True

    def decode(self, buffer: Any) -> tuple[int, int]:
        assert self.fd is not None
        scale = self.args[0]  # behind it Pillow puts what draft has configured
        try:
            pixels = array_of(cast(BinaryIO, self.fd), scale, _pixel_limit())
        except BitstreamError as error:
            cut = error.reason is Reason.TRUNCATED
            raise OSError(f"image file is truncated ({error})" if cut else str(error)) from error
        self.set_as_raw(pixels.tobytes())
        return -1, 0


def _pixel_limit() -> int:
    """Pillow's, or this package's where it is larger."""
    limit = Image.MAX_IMAGE_PIXELS
    return _UNLIMITED if limit is None else max(MAX_PIXELS, 2 * limit)


def _accept(prefix: bytes) -> bool:
    return prefix.startswith(container.MAGIC)


def _save(image: Image.Image, file: IO[bytes], filename: str | bytes) -> None:
    """What `Image.save` calls. Raises OSError for a mode that would lose the picture, ValueError
    for a wrong option."""
    import numpy as np
    import torch

    from .api import compress
    from .images.orientation import upright

    options = image.encoderinfo
    metadata, orientation = _metadata(image, options)
    pixels = np.array(upright(_converted(image), orientation))
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    stream = compress(
        torch.from_numpy(pixels).permute(2, 0, 1).contiguous(),
        options.get("quality"),
        target_bpp=options.get("target_bpp"),
        effort=options.get("effort", 0),
        metadata=metadata,
        max_pixels=_pixel_limit(),
    )
    file.write(stream)


def _converted(image: Image.Image) -> Image.Image:
    """In a mode that the format has. Others are converted as Pillow's WebP and AVIF do."""
    if image.mode in ("L", "LA", "RGB", "RGBA"):
        return image
    if image.mode in _DEEP_MODES:
        raise OSError(f"cannot write mode {image.mode} as {FORMAT}: it holds 8 bits a channel")
    if image.mode in ("La", *_GRAY_MODES):
        return image.convert("LA" if image.has_transparency_data else "L")
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _metadata(image: Image.Image, options: dict[str, Any]) -> tuple[dict[str, bytes], int]:
    """What goes beside the pixels, and the orientation that they still need.

    As Pillow's AVIF writer does: Exif and XMP where they are named, the colours' description also
    from the image itself. The format has no orientation: the pixels are turned instead.
    """
    profile = options.get("icc_profile", _own_profile(image))
    xmp, cicp = options.get("xmp"), options.get("cicp", image.info.get("cicp"))
    exif, orientation = _exif(options.get("exif"))
    found = {"icc_profile": profile, "exif": exif, "cicp": cicp}
    found["xmp"] = xmp.encode() if isinstance(xmp, str) else xmp
    return {name: content for name, content in found.items() if content}, orientation


def _own_profile(image: Image.Image) -> bytes | None:
    """The image's profile, unless it describes colours that are converted away."""
    profile: bytes | None = image.info.get("icc_profile")
    gray = image.mode in ("La", "LA", *_GRAY_MODES)
    return profile if profile and profile[16:20] == (b"GRAY" if gray else b"RGB ") else None


def _exif(block: bytes | Image.Exif | None) -> tuple[bytes, int]:
    """Exif from its TIFF header on and without orientation, and this."""
    if not block:
        return b"", 1
    content = block.tobytes() if isinstance(block, Image.Exif) else block
    kept = Image.Exif()
    kept.load(content)
    orientation = kept.pop(ExifTags.Base.Orientation, None)
    if orientation is None:
        return content.removeprefix(EXIF_PREFIX), 1
    rest = kept.tobytes().removeprefix(EXIF_PREFIX) if len(kept) else b""
    return rest, orientation if orientation in range(1, 9) else 1


Image.register_open(FORMAT, McmImageFile, _accept)
Image.register_decoder(FORMAT, McmDecoder)
Image.register_save(FORMAT, _save)
Image.register_extension(FORMAT, ".mcm")
Image.register_mime(FORMAT, MIME)
