"""Tables in Markdown."""

from __future__ import annotations

Table = tuple[list[str], list[list[str]]]  # header and rows


def pipes(table: Table) -> str:
    """The table in Markdown, every column after the first to the right."""
    header, rows = table
    rule = ["---"] + ["---:"] * (len(header) - 1)
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, rule, *rows))


def table_of(rows: list[dict[str, str]]) -> Table:
    """Rows as dictionaries, with the keys of the first as header; a missing cell is empty."""
    header = list(rows[0])
    return header, [[str(row.get(key, "")) for key in header] for row in rows]
