"""Rows that the benchmarks report, written as tables to results/cpu.md when all are done."""

import platform
from pathlib import Path

import pytest
import torch

from mcm_fast.evaluation.tables import pipes, table_of
from mcm_fast.exact.extension import extension

RESULTS = Path(__file__).parent / "results" / "cpu.md"
THREADS = 2

_tables: dict[str, list[dict[str, str]]] = {}


@pytest.fixture(scope="session", autouse=True)
def threads():
    torch.set_num_threads(THREADS)
    return THREADS


@pytest.fixture
def report():
    """report(title, row): a row of the table called `title`."""
    return lambda title, row: _tables.setdefault(title, []).append(row)


def pytest_sessionfinish():
    if not _tables:
        return
    parts = ["# Benchmarks on a CPU\n\nWritten by `make bench`; medians.\n\n" + machine()]
    parts += [f"## {title}\n\n{pipes(table_of(rows))}" for title, rows in _tables.items()]
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text("\n\n".join(parts) + "\n")


def machine() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    model = next((line.split(": ")[1] for line in lines if line.startswith("model name")), "a CPU")
    cores = sum(line.startswith("processor") for line in lines) or "?"
    return (
        f"{model}, {cores} cores, {THREADS} threads, {extension().simd()}, "
        f"{platform.system()}, Python {platform.python_version()}, torch {torch.__version__}."
    )
