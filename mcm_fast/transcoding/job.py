"""A job: what has been done, and what is left.

TARGET/_transcode/job.json           what the job is: its options, names and sizes of its source
TARGET/_transcode/NAME.jsonl         a piece that is done: its part of the manifest
TARGET/manifest.jsonl                all of them, when the job has ended
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ..files import write_file
from .sources import KINDS, Piece, Sample, _place, pieces_of, samples_of
from .targets import Done, write_piece
from .work import Work

Facts = dict[str, Any]
_PART = re.compile(r"\.[0-9a-f]{32}\.tmp")  # of a file that a killed process was writing


@dataclass(frozen=True)
class Job:
    """From a source to a target of some kind ("" for that of the source)."""

    source: str
    target: str
    work: Work
    kind: str = ""
    size: int = 1000  # pictures of a shard that is made from a folder
    column: str = "image"

    @cached_property
    def pieces(self) -> list[Piece]:
        if self.kind and self.kind not in KINDS:
            raise ValueError(f"a target is one of {', '.join(KINDS)}, not {self.kind!r}")
        if self.size < 1:
            raise ValueError(f"a shard has 1 picture or more, not {self.size}")
        return pieces_of(self.source, self.size, self.column)

    @property
    def target_kind(self) -> str:
        return self.kind or self.pieces[0].kind

    @property
    def left(self) -> list[Piece]:
        """Pieces that are not done."""
        return [piece for piece in self.pieces if not self.part(piece).exists()]

    @property
    def folder(self) -> Path:
        return Path(self.target, "_transcode")

    def part(self, piece: Piece) -> Path:
        """The file that says that a piece is done."""
        return self.folder / f"{piece.name.replace(os.sep, '%2F')}.jsonl"

    def facts_of(self, piece: Piece) -> list[Facts]:
        """The manifest's lines about a piece that is done."""
        return [json.loads(line) for line in self.part(piece).read_text().splitlines()]

    def samples(self, piece: Piece) -> Iterator[Sample]:
        return samples_of(self.source, piece)

    def finish(
        self, piece: Piece, samples: list[Sample], outcomes: list[tuple[bytes, Facts]]
    ) -> None:
        """Write what a piece has become. Samples without a stream are left out."""
        pairs = zip(samples, outcomes, strict=True)
        done = [Done(sample, stream) for sample, (stream, _) in pairs if stream]
        write_piece(self.source, Path(self.target), self.target_kind, piece, done)
        lines = "".join(json.dumps(facts) + "\n" for _, facts in outcomes)
        write_file(self.part(piece), lines.encode())

    def do(self, piece: Piece) -> list[Facts]:
        """All of a piece, in this process. Returns its lines of the manifest."""
        samples, outcomes = [], []
        for sample in self.samples(piece):
            outcomes.append(self.work(sample))
            samples.append(replace(sample, data=b""))
        self.finish(piece, samples, outcomes)
        return [facts for _, facts in outcomes]

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Begin the job or go on with it. Raises ValueError for a target that holds something
        else, or that another process is at."""
        identity = json.dumps(self._identity(), indent=1, sort_keys=True) + "\n"
        record = self.folder / "job.json"
        if not record.exists() and os.path.isdir(self.target) and os.listdir(self.target):
            raise ValueError(f"{self.target} is not empty, and holds no job to go on with")
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.folder / ".lock", "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise ValueError(f"{self.target}: another process is at this job") from None
            if record.exists() and record.read_text() != identity:
                raise ValueError(f"{self.target} holds another job, or its source has changed")
            for path in Path(self.target).rglob(".*.tmp"):
                if _PART.fullmatch(path.name):
                    path.unlink(missing_ok=True)
            write_file(record, identity.encode())
            yield

    def end(self) -> None:
        """Put the manifest together."""
        parts = [self.part(piece).read_bytes() for piece in self.pieces]
        write_file(Path(self.target, "manifest.jsonl"), b"".join(parts))

    def _identity(self) -> Facts:
        digest = hashlib.sha256()
        for piece in self.pieces:
            for key, path in piece.paths:
                size = os.path.getsize(_place(self.source, path))
                digest.update(f"{piece.name}\0{key}\0{path}\0{size}\n".encode("utf-8", "replace"))
        options = asdict(self.work) | {"kind": self.target_kind, "column": self.column}
        return {"version": 1, "source": digest.hexdigest(), "options": options}


Outcomes = Callable[[Iterator[Any], Callable[[Any], Any]], Iterator[Any]]


def run(job: Job, outcomes_of: Outcomes) -> Iterator[Facts]:
    """The job's lines of the manifest as its pictures get done, those of earlier runs left out.

    Args:
        outcomes_of: items and a function -> what the function makes of each, in any order: a
            `map`, or a pool of processes. Pictures of several pieces are under way at once.
    """
    with job.opened():
        pending: dict[str, _Pending] = {}
        for name, index, outcome in outcomes_of(_tasks(job, pending), _Task(job.work)):
            pending[name].outcomes[index] = outcome
            yield outcome[1]
            _settle(job, pending, name)
        job.end()


class _Pending:
    """A piece of which pictures are under way. Their files are not kept, what goes with them is."""

    def __init__(self, piece: Piece) -> None:
        self.piece, self.is_read = piece, False
        self.samples: list[Sample] = []
        self.outcomes: dict[int, tuple[bytes, Facts]] = {}


def _tasks(job: Job, pending: dict[str, _Pending]) -> Iterator[tuple[str, int, Sample]]:
    for piece in job.left:
        state = pending[piece.name] = _Pending(piece)
        for sample in job.samples(piece):
            state.samples.append(replace(sample, data=b""))
            yield piece.name, len(state.samples) - 1, replace(sample, others={})
        state.is_read = True
        _settle(job, pending, piece.name)


def _settle(job: Job, pending: dict[str, _Pending], name: str) -> None:
    """Finish a piece of which nothing is under way any more."""
    state = pending[name]
    if state.is_read and len(state.outcomes) == len(state.samples):
        del pending[name]
        ordered = [state.outcomes[i] for i in range(len(state.samples))]
        job.finish(state.piece, state.samples, ordered)


@dataclass(frozen=True)
class _Task:
    """The work, of a sample with its number."""

    work: Work

    def __call__(self, task: tuple[str, int, Sample]) -> tuple[str, int, tuple[bytes, Facts]]:
        name, index, sample = task
        return name, index, self.work(sample)
