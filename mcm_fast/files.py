"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from pathlib import Path

StrPath = str | os.PathLike[str]


def write_file(path: StrPath, data: bytes | memoryview, like: StrPath | None = None) -> None:
    """`write_with` for bytes in memory."""

    def write(part: Path) -> None:
        part.write_bytes(data)

    write_with(path, write, like)


def write_with(path: StrPath, write: Callable[[Path], None], like: StrPath | None = None) -> None:
    """Let `write` fill a file beside `path`, then rename it: a reader sees the old file or the new.

    A symbolic link is followed; a device or pipe is written to directly. The file gets the
    permissions and the time of modification of the file `like`, and at no moment more permissions
    than those. Raises OSError, and what `write` raises: then the old file stays.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        write(path)
        return
    status = None if like is None else os.stat(like)
    part = path.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        os.close(os.open(part, os.O_CREAT | os.O_EXCL, 0o600 if status else 0o666))
        write(part)
        if status:
            os.chmod(part, status.st_mode & 0o777)
            os.utime(part, ns=(status.st_atime_ns, status.st_mtime_ns))
        os.replace(part, path)
    except BaseException:  # an interrupt too leaves nothing behind
        part.unlink(missing_ok=True)
        raise
