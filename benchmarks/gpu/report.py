"""The results of gpu-check: JSON, a page of tables, whole logs, arrays that differ."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

TITLES = {
    "speed photograph": "Entropy part of a photograph, latents to segments and back",
    "speed road": "compress and decompress, `small`, images on the device",
    "speed batches": "A batch against one image at a time",
    "speed graphs": "What graphs save: before the first step, and of the synthesis",
    "speed drawn small": "Entropy part of drawn latents, `small`",
    "speed drawn base": "Entropy part of drawn latents, `base`",
    "speed coder": "The coder alone",
    "speed new shapes": "The first image of a shape, decoded, by the wall",
    "speed launch options": "The step of the wavefront, launched in other ways",
    "speed phases": "Cycles of the coder's phases, a step",
    "pdl speed": "Entropy part of a photograph, with programmatic dependent launches",
    "ceilings": "What a graph's edge, a cluster's barrier and a load cost",
}


class Report:
    """Files folder/name.json, .md, .log and name-differences.zip."""

    def __init__(self, folder: Path, name: str, device: str, dry_run: bool):
        self.head = {"device": device, "dry_run": dry_run}
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / name
        for old in self.path.parent.glob(f"{name}*"):
            old.unlink()

    def keep(self, rung: str, folder: Path) -> None:
        """A rung's log, whole, and the arrays that it has left."""
        with open(f"{self.path}.log", "a") as log:
            text = (folder / "log").read_text(errors="replace") if folder.is_dir() else ""
            log.write(f"{'=' * 20} {rung}\n{text}\n")
        arrays = sorted(folder.glob("*.npz"))
        if arrays:
            with zipfile.ZipFile(f"{self.path}-differences.zip", "a") as kept:
                for path in arrays:
                    kept.write(path, f"{folder.name}/{path.name}")

    def write(self, outcomes: dict[str, dict]) -> None:
        results = self.head | {"rungs": outcomes}
        for suffix, text in ((".json", json.dumps(results, indent=1)), (".md", page(results))):
            new = Path(f"{self.path}{suffix}.new")
            new.write_text(text + "\n")
            os.replace(new, f"{self.path}{suffix}")


def page(results: dict) -> str:
    rungs = results["rungs"]
    parts = [f"# On {results['device']}"]
    if results["dry_run"]:
        parts.append("A dry run, interpreted on the CPU: no measurements.")
    parts.append("Written by `benchmarks/gpu/check.py`; times are medians by device events.")
    parts.append(table([_line(name, outcome) for name, outcome in rungs.items()]))
    for name, title in TITLES.items():
        rows = rungs.get(name, {}).get("rows")
        if rows:
            parts.append(f"## {title}\n\n{table(rows)}")
    return "\n\n".join(parts)


def table(rows: list[dict]) -> str:
    """Its columns are all keys, in the order in which they come."""
    head = list(dict.fromkeys(key for row in rows for key in row))
    lines = [head, ["---"] * len(head), *([_cell(row, key) for key in head] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(row: dict, key: str) -> str:
    return str(row.get(key, "")).replace("|", "/").replace("\n", " ")


def _line(name: str, outcome: dict) -> dict:
    row = {"rung": name, "outcome": outcome["outcome"], "seconds": outcome.get("seconds", "")}
    if "at fault" in outcome:
        row["outcome"] += f"; at fault: {outcome['at fault']}"
    return row
