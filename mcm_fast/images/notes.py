"""What a reader or writer leaves out or changes is told in a warning, never silently."""

from __future__ import annotations

import warnings


def note(message: str) -> None:
    """A UserWarning about the picture at hand; the command line prints it as a note."""
    warnings.warn(message, UserWarning, stacklevel=3)


def reason(error: Exception) -> str:
    """The first line of an error's message, or its type's name."""
    return (str(error) or type(error).__name__).splitlines()[0]
