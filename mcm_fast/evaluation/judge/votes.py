"""The votes, in SQLite. A vote is acknowledged only after its transaction is on the disk.

The journal is a write-ahead log and every commit is synced (synchronous=FULL), so that a vote
outlives the process, and the machine too. Nothing is deleted: what a voter takes back is marked.
"""

from __future__ import annotations

import csv
import io
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

from .trials import Trial

CHOICES = ("left", "right", "same")
COLUMNS = (
    *("time", "voter", "name", "number", "kind", "image", "left", "right", "choice"),
    *("winner", "seconds"),
)
_SCHEMA = """
CREATE TABLE IF NOT EXISTS study (key TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS voters (
    id TEXT PRIMARY KEY, ordinal INTEGER UNIQUE NOT NULL, name TEXT NOT NULL, time TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS trials (
    voter TEXT NOT NULL REFERENCES voters, number INTEGER NOT NULL, kind TEXT NOT NULL,
    image TEXT NOT NULL, left TEXT NOT NULL, right TEXT NOT NULL, PRIMARY KEY (voter, number));
CREATE TABLE IF NOT EXISTS votes (
    id TEXT PRIMARY KEY, voter TEXT NOT NULL, number INTEGER NOT NULL, choice TEXT NOT NULL,
    seconds REAL NOT NULL, time TEXT NOT NULL, undone TEXT,
    FOREIGN KEY (voter, number) REFERENCES trials);
CREATE UNIQUE INDEX IF NOT EXISTS standing ON votes (voter, number) WHERE undone IS NULL;
"""
_ALL = """
SELECT votes.time, voters.id AS voter, voters.name, trials.number, kind, image, left, right, choice,
       CASE choice WHEN 'left' THEN left WHEN 'right' THEN right ELSE '' END AS winner, seconds
FROM votes JOIN trials USING (voter, number) JOIN voters ON voters.id = voter
WHERE undone IS NULL ORDER BY votes.time, votes.rowid
"""


class Position(NamedTuple):
    """Where a voter is: `number` is the next trial without a vote, None at the end."""

    done: int
    total: int
    number: int | None


class Votes:
    """The votes of one study; any number of threads may use it at once.

    `key` says which study: a file of another study is refused with a ValueError.
    """

    def __init__(self, path: str | Path, key: str):
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.executescript(_SCHEMA)
        found = self._db.execute("SELECT key FROM study").fetchone()
        if found is None:
            self._db.execute("INSERT INTO study VALUES (?)", (key,))
        elif found["key"] != key:
            self._db.close()
            raise ValueError(f"{path} holds the votes of another study")

    def close(self) -> None:
        self._db.close()

    def register(self, name: str, allot: Callable[[int], Sequence[Trial]]) -> str:
        """A new voter's id. `allot` gives the trials of the voter with a number, from 0 on."""
        voter = secrets.token_hex(8)
        with self._lock, self._transaction():
            (ordinal,) = self._db.execute("SELECT count(*) FROM voters").fetchone()
            self._db.execute(
                "INSERT INTO voters VALUES (?, ?, ?, ?)", (voter, ordinal, name, _now())
            )
            rows = [(voter, i, *trial) for i, trial in enumerate(allot(ordinal))]
            self._db.executemany("INSERT INTO trials VALUES (?, ?, ?, ?, ?, ?)", rows)
        return voter

    def trial(self, voter: str, number: int) -> Trial:
        """Raises KeyError where there is none."""
        columns = "kind, image, left, right"
        sql = f"SELECT {columns} FROM trials WHERE voter = ? AND number = ?"
        row = self._one(sql, voter, number)
        if row is None:
            raise KeyError(f"no trial {number} of voter {voter}")
        return Trial(*row)

    def position(self, voter: str) -> Position:
        """Raises KeyError for an unknown voter."""
        row = self._one(
            """SELECT count(*) AS total, count(votes.id) AS done,
                      min(CASE WHEN votes.id IS NULL THEN trials.number END) AS number
               FROM trials LEFT JOIN votes ON votes.voter = trials.voter
                    AND votes.number = trials.number AND undone IS NULL
               WHERE trials.voter = ?""",
            voter,
        )
        if not row["total"]:
            raise KeyError(f"no voter {voter}")
        return Position(row["done"], row["total"], row["number"])

    def cast(self, vote: str, voter: str, number: int, choice: str, seconds: float) -> None:
        """Store a vote; on return it is on the disk. `vote` is an id of the sender's choice.

        The same id again changes nothing: a sender that heard no answer may send once more. Raises
        ValueError for a choice that is none, or a trial that has another vote, KeyError for a
        trial that does not exist.
        """
        if choice not in CHOICES:
            raise ValueError(f"choice {choice!r} is none of {', '.join(CHOICES)}")
        self.trial(voter, number)
        row = (vote, voter, number, choice, seconds, _now())
        with self._lock, self._transaction():
            if self._db.execute("SELECT 1 FROM votes WHERE id = ?", (vote,)).fetchone():
                return
            try:
                self._db.execute("INSERT INTO votes VALUES (?, ?, ?, ?, ?, ?, NULL)", row)
            except sqlite3.IntegrityError as error:
                raise ValueError(f"trial {number} of voter {voter} has a vote") from error

    def undo(self, voter: str, number: int) -> None:
        """Take back the vote on a trial; nothing happens where there is none."""
        sql = "UPDATE votes SET undone = ? WHERE voter = ? AND number = ? AND undone IS NULL"
        with self._lock, self._transaction():
            self._db.execute(sql, (_now(), voter, number))

    def rows(self) -> list[dict[str, object]]:
        """The standing votes in order of time, with the columns of `COLUMNS`."""
        with self._lock:
            return [dict(row) for row in self._db.execute(_ALL)]

    def csv(self) -> str:
        """`rows` as CSV. A name that a spreadsheet would take for a formula gets an apostrophe."""
        file = io.StringIO()
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for row in self.rows():
            writer.writerow(row | {"name": _harmless(row["name"])})
        return file.getvalue()

    def _one(self, sql: str, *values: object) -> sqlite3.Row | None:
        with self._lock, closing(self._db.execute(sql, values)) as cursor:
            return cursor.fetchone()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """COMMIT at the end, ROLLBACK where something was raised."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


def _harmless(text: str) -> str:
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text
