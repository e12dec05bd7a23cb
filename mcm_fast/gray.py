"""Gray of colour, in integers (FORMAT.md, section 1)."""

from __future__ import annotations

from typing import Any


def luma(red: Any, green: Any, blue: Any) -> Any:
    """(77 R + 150 G + 29 B + 128) >> 8 of tensors or arrays; their type must hold 65535."""
    return (77 * red + 150 * green + 29 * blue + 128) >> 8
