"""The samples of a piece -> files that appear whole."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any, NamedTuple

from ..files import write_file
from .sources import KEY, Piece, Sample, _parquet, _place


class Done(NamedTuple):
    """A sample and its stream."""

    sample: Sample
    stream: bytes


def write_piece(source: str, target: Path, kind: str, piece: Piece, done: list[Done]) -> None:
    """Write the samples of a piece to a target of a kind. Raises OSError, ValueError."""
    if kind == "folder":
        for item in done:
            for name, content in _files(item):
                _write(target / name, content)
    elif kind == "tar":
        _write(target / f"{piece.name}.tar", _tar(done))
    else:
        _write(target / f"{piece.name}.parquet", _table(source, piece, done))


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, content)


def _files(item: Done) -> list[tuple[str, bytes]]:
    """Names and contents of one sample. What is no bytes goes into one file of JSON."""
    sample, stream = item
    files = [(f"{sample.key}.mcm", stream)]
    values = {}
    for name, content in sample.others.items():
        if isinstance(content, bytes):
            files.append((f"{sample.key}.{name}", content))
        else:
            values[name] = content
    if values:
        files.append((f"{sample.key}.json", json.dumps(values, default=str).encode()))
    return files


def _tar(done: list[Done]) -> bytes:
    """The same bytes for the same samples: no times, no owners."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for item in done:
            for name, content in _files(item):
                member = tarfile.TarInfo(name)
                member.size, member.mode = len(content), 0o644
                tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def _table(source: str, piece: Piece, done: list[Done]) -> bytes:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise ImportError("parquet needs pyarrow: pip install 'mcm-fast[parquet]'") from error
    rows = [_row(piece, item) for item in done]
    if piece.kind == "parquet":
        schema = _parquet(_place(source, piece.paths[0][1])).schema_arrow
    else:
        others = sorted({name for item in done for name in item.sample.others})
        fields = [(KEY, pa.string()), ("image", pa.binary())]
        schema = pa.schema([*fields, *((name, pa.binary()) for name in others)])
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), buffer)
    return buffer.getvalue()


def _row(piece: Piece, item: Done) -> dict[str, Any]:
    """A row of the source's own columns where that is parquet."""
    sample, stream = item
    if piece.kind != "parquet":
        return {KEY: sample.key, "image": stream, **sample.others}
    picture = {"bytes": stream, "path": f"{sample.key}.mcm"}
    return {KEY: sample.key, **sample.others, piece.column: picture}
