"""Which files a command is about, and where each of them goes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .streams import PIPE

STREAM = ".mcm"


@dataclass
class Pairs:
    """What a command has to do.

    `pairs` are (source, target); `others` files of the folders that are not meant, `folders`
    subfolders that were not looked into, `targets` the folders that are written to; `several` is
    whether the sources were more than one file.
    """

    pairs: list[tuple[str, str]]
    others: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)
    several: bool = False


@dataclass(frozen=True)
class Kind:
    """What a command looks for in a folder, and how it names what it writes.

    `is_meant` picks files by name, `is_expected` those that are passed over without a word.
    """

    suffix: str
    is_meant: Callable[[Path], bool]
    is_expected: Callable[[Path], bool]
    keep_extension: bool = False

    def name(self, source: Path) -> str:
        return (source.name if self.keep_extension else source.stem) + self.suffix


def pairs_of(sources: list[str], destination: str, kind: Kind, recursive: bool = False) -> Pairs:
    """Pairs of source and target, without looking into any file.

    Several sources or a folder go to a folder, subfolders only if `recursive`, to subfolders of
    the same names. Raises ValueError, OSError.
    """
    into_folder = os.path.isdir(destination) or destination.endswith(os.sep)
    if len(sources) == 1 and not os.path.isdir(sources[0]) and not into_folder:
        _check_not_own_source([(sources[0], destination)])
        return Pairs([(sources[0], destination)])
    if destination == PIPE or PIPE in sources:
        raise ValueError("- is for one file in and one file out")
    result = Pairs([], several=len(sources) > 1 or os.path.isdir(sources[0]))
    targets: dict[str, str] = {}
    for source, folder in listed(sources, kind, recursive, result, destination):
        target = os.path.join(destination, folder, kind.name(Path(source)))
        if target in targets:
            hint = ": use --keep-extension" * (kind.suffix == STREAM and not kind.keep_extension)
            raise ValueError(f"{targets[target]} and {source} would both become {target}{hint}")
        targets[target] = source
    result.pairs = [(source, target) for target, source in targets.items()]
    result.targets = sorted({os.path.dirname(target) for target in targets})
    _check_not_own_source(result.pairs)
    return result


def make_folders(work: Pairs) -> None:
    """The folders that the targets go to. Raises OSError."""
    for folder in work.targets:
        os.makedirs(folder, exist_ok=True)


def is_stream_name(path: Path) -> bool:
    return path.suffix.lower() == STREAM


def listed(
    sources: list[str], kind: Kind, recursive: bool, result: Pairs, destination: str = ""
) -> Iterator[tuple[str, str]]:
    """Sources that are files, and for those of a folder the subfolder; the rest goes to `result`.

    A destination inside a folder is not looked into.
    """
    for source in sources:
        if not os.path.isdir(source):
            yield source, ""
            continue
        count = 0
        for folder, name in _walk(source, recursive, destination, result):
            path = Path(source, folder, name)
            if kind.is_meant(path):
                count += 1
                yield str(path), folder
            elif not kind.is_expected(path):
                result.others.append(str(path))
        if not count:
            raise ValueError(f"{source}: nothing to do in this folder")


def _walk(root: str, recursive: bool, destination: str, result: Pairs) -> Iterator[tuple[str, str]]:
    """Folders below `root`, relative to it, and names of files, all sorted; nothing hidden."""

    def refuse(error: OSError) -> None:
        raise error

    for folder, subfolders, names in os.walk(root, onerror=refuse):
        visible = sorted(name for name in subfolders if not name.startswith("."))
        paths = {name: os.path.join(folder, name) for name in visible}
        subfolders[:] = [name for name, path in paths.items() if not _same(path, destination)]
        if not recursive:
            result.folders += [paths[name] for name in subfolders]
            subfolders.clear()
        for name in sorted(names):
            if not name.startswith(".") and os.path.isfile(os.path.join(folder, name)):
                relative = os.path.relpath(folder, root)
                yield "" if relative == os.curdir else relative, name


def _check_not_own_source(pairs: list[tuple[str, str]]) -> None:
    """ValueError where a file would be written over one that is read."""
    real = {os.path.realpath(source): source for source, _ in pairs if source != PIPE}
    for source, target in pairs:
        if target == PIPE or source == PIPE:
            continue
        other = real.get(os.path.realpath(target))
        if other is not None or _same(source, target):
            raise ValueError(f"{target} is {other or source} itself: it would be overwritten")


def _same(one: str, other: str) -> bool:
    return os.path.exists(one) and os.path.exists(other) and os.path.samefile(one, other)
