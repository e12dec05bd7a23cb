"""Pieces of work, and the samples of each."""

from __future__ import annotations

import os
import tarfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..images import is_image_name

KINDS = ("folder", "tar", "parquet")
KEY = "__key__"  # WebDataset's name of what a sample is called; the column of a parquet file


@dataclass(frozen=True)
class Piece:
    """What is done in one go: some pictures of a folder, a tar shard or a parquet file.

    `name` is that of the shard it becomes, `paths` are (key, path relative to the source).
    """

    name: str
    kind: str
    paths: tuple[tuple[str, str], ...]
    pictures: int
    column: str = ""


@dataclass
class Sample:
    """One picture, as an encoded file, and what goes with it: by extension in tar shards, by column
    in parquet. `error` is why there is none."""

    key: str
    source: str
    data: bytes = b""
    others: dict[str, Any] = field(default_factory=dict)
    error: str = ""


def pieces_of(source: str, size: int, column: str) -> list[Piece]:
    """The pieces of a folder of pictures (`size` in each, subfolders too), of tar shards or of
    parquet files. Raises ValueError where there is nothing, or several kinds."""
    names = _names(source)
    kinds = {kind: [name for name in names if name.endswith(f".{kind}")] for kind in KINDS[1:]}
    shards = [(kind, name) for kind, found in kinds.items() for name in found]
    if len({kind for kind, _ in shards}) > 1:
        raise ValueError(f"{source}: both tar shards and parquet files")
    if shards:
        return [_shard(source, kind, name, column) for kind, name in shards]
    pictures = _keyed([name for name in names if is_image_name(name)])
    if not pictures:
        raise ValueError(f"{source}: neither pictures nor tar shards nor parquet files")
    cuts = [tuple(pictures[i : i + size]) for i in range(0, len(pictures), size)]
    return [Piece(f"{i:06}", "folder", paths, len(paths)) for i, paths in enumerate(cuts)]


def samples_of(source: str, piece: Piece) -> Iterator[Sample]:
    """What a piece holds, in order. What cannot be read is a sample with an error."""
    if piece.kind == "folder":
        for key, path in piece.paths:
            try:
                yield Sample(key, path, Path(source, path).read_bytes())
            except OSError as error:
                yield Sample(key, path, error=error.strerror or str(error))
        return
    ((_, path),) = piece.paths
    read = _of_tar if piece.kind == "tar" else _of_parquet
    try:
        yield from read(_place(source, path), path, piece.column)
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        yield Sample(piece.name, path, error=f"the rest cannot be read: {error}")


def _names(source: str) -> list[str]:
    """Files below a folder, relative to it and sorted, nothing hidden; or a file's own name."""
    if os.path.isfile(source):
        return [os.path.basename(source)]
    if not os.path.isdir(source):
        raise FileNotFoundError(2, "no such file or folder", source)
    found = []
    for folder, subfolders, names in os.walk(source):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        relative = os.path.relpath(folder, source)
        found += [os.path.normpath(os.path.join(relative, n)) for n in names if n[0] != "."]
    return sorted(found)


def _place(source: str, path: str) -> Path:
    return Path(source) if os.path.isfile(source) else Path(source, path)


def _keyed(names: list[str]) -> list[tuple[str, str]]:
    """Keys without extension, but where two files would have the same."""
    counts = Counter(os.path.splitext(name)[0] for name in names)
    keys = [os.path.splitext(name)[0] for name in names]
    return [
        (key if counts[key] == 1 else name, name) for key, name in zip(keys, names, strict=True)
    ]


def _shard(source: str, kind: str, name: str, column: str) -> Piece:
    stem = os.path.splitext(name)[0]
    place = _place(source, name)
    if kind == "parquet":
        file = _parquet(place)
        if column not in file.schema_arrow.names:
            raise ValueError(f"{name}: no column {column!r}, but {file.schema_arrow.names}")
        return Piece(stem, kind, ((stem, name),), file.metadata.num_rows, column)
    try:
        with tarfile.open(place, "r:") as tar:
            pictures = sum(member.isfile() and is_image_name(member.name) for member in tar)
    except tarfile.TarError:  # told when it is read
        pictures = 0
    return Piece(stem, kind, ((stem, name),), pictures)


def _of_tar(place: Path, path: str, column: str) -> Iterator[Sample]:
    """Members that follow each other and share what stands before the first dot of their names."""
    sample: Sample | None = None
    with tarfile.open(place, "r:") as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isfile() else None
            if content is None:
                continue
            folder, name = os.path.split(member.name)
            stem, _, extension = name.partition(".")
            key = os.path.join(folder, stem)
            if sample is None or sample.key != key:
                if sample is not None:
                    yield _checked(sample)
                sample = Sample(key, path)
            if is_image_name(name) and not sample.data:
                sample.data = content.read()
            else:
                sample.others[extension] = content.read()
    if sample is not None:
        yield _checked(sample)


def _checked(sample: Sample) -> Sample:
    if not sample.data:
        sample.error = "no picture in this sample"
    return sample


def _parquet(place: Path) -> Any:
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise ImportError("parquet needs pyarrow: pip install 'mcm-fast[parquet]'") from error
    return pyarrow.parquet.ParquetFile(place)


def _of_parquet(place: Path, path: str, column: str) -> Iterator[Sample]:
    """Rows; a picture is bytes, or a struct of bytes and path as Hugging Face's are."""
    number = 0
    for batch in _parquet(place).iter_batches(batch_size=64):
        for row in batch.to_pylist():
            picture = row.pop(column)
            data = picture["bytes"] if isinstance(picture, dict) else picture
            key = str(row.pop(KEY, f"{os.path.splitext(path)[0]}-{number:08}"))
            sample = Sample(key, path, data or b"", row)
            yield _checked(sample)
            number += 1
