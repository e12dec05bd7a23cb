"""Effort: the encoder looks for better latents, the decoder does not change (docs/effort.md)."""

from .search import improve
from .target import improve_to

__all__ = ["improve", "improve_to"]
