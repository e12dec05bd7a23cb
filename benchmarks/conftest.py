"""Rows that the benchmarks report, shown as tables when all are done; `--tables FILE` keeps them.

Only `make bench`, which runs all of them, writes results/cpu.md.
"""

import platform
from pathlib import Path

import pytest
import torch

from mcm_fast.evaluation.tables import pipes, table_of
from mcm_fast.exact.extension import extension

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


def pytest_addoption(parser):
    parser.addoption("--tables", type=Path, help="Write the benchmarks' tables to this file.")


def pytest_terminal_summary(terminalreporter, config):
    if not _tables:
        return
    parts = ["# Benchmarks on a CPU\n\nWritten by `make bench`; medians.\n\n" + machine()]
    parts += [f"## {title}\n\n{pipes(table_of(rows))}" for title, rows in _tables.items()]
    page = "\n\n".join(parts) + "\n"
    terminalreporter.write_line(page)
    if config.option.tables is not None:
        config.option.tables.write_text(page)


def machine() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    model = next((line.split(": ")[1] for line in lines if line.startswith("model name")), "a CPU")
    cores = sum(line.startswith("processor") for line in lines) or "?"
    return (
        f"{model}, {cores} cores, {THREADS} threads, {extension().simd()}, "
        f"{platform.system()}, Python {platform.python_version()}, torch {torch.__version__}."
    )
