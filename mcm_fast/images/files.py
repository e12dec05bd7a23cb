"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import uuid
from pathlib import Path


def write_file(
    path: str | os.PathLike[str],
    data: bytes | memoryview,
    like: str | os.PathLike[str] | None = None,
) -> None:
    """Write `data` beside `path`, then rename: a reader sees the old file or all of the new one.

    A symbolic link is followed; a device or pipe is written to directly. The file gets the
    permissions and the time of modification of the file `like`, and at no moment more
    permissions than those. Raises OSError.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        path.write_bytes(data)
        return
    status = None if like is None else os.stat(like)
    temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        descriptor = os.open(
            temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if status else 0o666
        )
        with open(descriptor, "wb") as file:
            file.write(data)
            if status:
                os.fchmod(file.fileno(), status.st_mode & 0o777)
        if status:
            os.utime(temporary, ns=(status.st_atime_ns, status.st_mtime_ns))
        os.replace(temporary, path)
    except BaseException:  # an interrupt too leaves nothing behind
        temporary.unlink(missing_ok=True)
        raise
