"""The results of `make gpu-check` as a page of tables."""

from __future__ import annotations

import re

TITLES = {
    "entropy": "Entropy part, latents to segments and back",
    "batches": "A batch against one image at a time",
    "road": "compress and decompress, `small`, images on the device",
    "new shapes": "The first image of a shape, decoded, by the wall",
    "coder": "The coder alone",
    "launch options": "The step of the wavefront, launched in other ways",
}


def name_of(results: dict) -> str:
    """A file's name, after the device."""
    words = re.findall(r"[a-z0-9]+", _machine(results).get("device", "unknown device").lower())
    return "gpu-" + "-".join(words)


def markdown(results: dict) -> str:
    machine, speed = _machine(results), results.get("speed")
    parts = [f"# On {machine.get('device', 'an unknown device')}"]
    if results["dry_run"]:
        parts.append("A dry run, interpreted on the CPU: no measurements.")
    versions = ", ".join(f"{k} {v}" for k, v in machine.items() if k != "device")
    parts.append(f"Written by `make gpu-check`; medians by device events. {versions}.")
    steps = ("build", "tests", "exchange", "sanitizer")
    parts.append(table([{"step": name, "outcome": _line(results.get(name))} for name in steps]))
    for name, title in TITLES.items():
        if isinstance(speed, dict) and name in speed:
            parts.append(f"## {title}\n\n{table(speed[name])}")
    return "\n\n".join(parts) + "\n"


def table(rows: list[dict]) -> str:
    head = list(rows[0])
    lines = [head, ["---"] * len(head), *([str(row.get(key, "")) for key in head] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _machine(results: dict) -> dict:
    speed = results.get("speed")
    return speed["machine"] if isinstance(speed, dict) else {}


def _line(outcome: object) -> str:
    """On one line of a table."""
    if isinstance(outcome, dict):
        return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in outcome.items())
    return "not run" if outcome is None else str(outcome).splitlines()[0]
