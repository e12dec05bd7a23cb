"""The one error of everything that reads bytes from outside."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class BitstreamError(ValueError):
    """The bytes are not a stream that this reader can decode.

    They are foreign, damaged, truncated, of a newer format, or made with another model; the message
    says which. Bad arguments of a caller are a plain `ValueError` instead.
    """


def caught(read: Callable[..., T], *arguments: object) -> T | BitstreamError:
    """What `read` returns, or the BitstreamError that it raises."""
    try:
        return read(*arguments)
    except BitstreamError as error:
        return error
