"""The bytes of a `.mcm` stream (FORMAT.md, section 1)."""

from .chunks import ALPHA
from .describe import info
from .header import MAGIC, MUST_UNDERSTAND, VERSION, Header, check_length, read_header
from .source import Bytes, Source, as_source
from .stream import Stream, pack, read_chunks, unpack

__all__ = [
    "ALPHA",
    "MAGIC",
    "MUST_UNDERSTAND",
    "VERSION",
    "Bytes",
    "Header",
    "Source",
    "Stream",
    "as_source",
    "check_length",
    "info",
    "pack",
    "read_chunks",
    "read_header",
    "unpack",
]
