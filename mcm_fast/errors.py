"""The error of everything that reads bytes from outside."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Reason(enum.Enum):
    """Why bytes could not be decoded: what a pipeline decides by."""

    FOREIGN = "foreign"  # not an MCM stream at all
    VERSION = "version"  # of a newer format, or with a part that this reader must not ignore
    TRUNCATED = "truncated"  # the end is missing
    DAMAGED = "damaged"  # no writer makes such bytes
    UNKNOWN_MODEL = "unknown model"  # made with a model that is not at hand
    TOO_LARGE = "too large"  # above the caller's limit


class BitstreamError(ValueError):
    """The bytes are not a stream that this reader can decode; `reason` and the message say why.

    Bad arguments of a caller are a plain `ValueError` instead.
    """

    def __init__(self, message: str, reason: Reason = Reason.DAMAGED):
        super().__init__(message)
        self.reason = reason


def caught(read: Callable[..., T], *arguments: object) -> T | BitstreamError:
    """What `read` returns, or the BitstreamError that it raises."""
    try:
        return read(*arguments)
    except BitstreamError as error:
        return error
