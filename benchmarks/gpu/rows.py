"""How a rung says what it has found (running.py reads it)."""

from __future__ import annotations

import json


def say(**row) -> None:
    """A row of results, at once."""
    print(json.dumps(row), flush=True)
