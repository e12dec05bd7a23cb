"""The tables of twins in CONTRIBUTING.md: all names exist, arguments and values agree."""

import importlib
import inspect
import re
from pathlib import Path

import pytest

pytest.importorskip("triton")

ROOT = Path(__file__).parents[1]
SECTION = (ROOT / "CONTRIBUTING.md").read_text().split("## Twins")[1].split("\n## ")[0]


def rows(title: str) -> list[list[str]]:
    """The cells of each row below the head that begins with `title`."""
    table = SECTION.split(f"| {title} |")[1].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def entries(cell: str) -> list[tuple[str, str, bool]]:
    """(file, name, starred) of each entry of a cell."""
    return [
        (file, name, bool(star)) for file, name, star in re.findall(r"`(.+?):(.+?)`(\*?)", cell)
    ]


def is_native(file: str) -> bool:
    return file.startswith("csrc/")


def python_object(file: str, name: str):
    value = importlib.import_module("mcm_fast." + file.removesuffix(".py").replace("/", "."))
    for part in name.split("."):
        value = getattr(value, part)
    return value


def native_arguments(file: str, name: str) -> list[list[str]]:
    """The names of the parameters of each function called `name` that the file declares."""
    text = re.sub(r"//.*", "", (ROOT / file).read_text())
    found = []
    for match in re.finditer(rf"\b{name}\(", text):
        depth, end = 1, match.end()
        while depth:
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        parameters = re.sub(r"<[^<>]*>", "", text[match.end() : end - 1])
        found.append([re.findall(r"\w+", p)[-1] for p in parameters.split(",") if p.strip()])
    return found


def python_arguments(file: str, name: str) -> list[str]:
    value = python_object(file, name)
    names = getattr(value, "arg_names", None)
    return list(names or inspect.signature(getattr(value, "fn", value)).parameters)


def is_within(arguments: list[str], all_arguments: list[str]) -> bool:
    rest = iter(all_arguments)
    return all(argument in rest for argument in arguments)


OPERATIONS = [
    pytest.param(*entry, row[4], id=f"{entry[0]}:{entry[1]}")
    for row in rows("operation")
    for cell in row[1:4]
    for entry in entries(cell)
]
CONSTANTS = [pytest.param(row, id=row[1].strip("`")) for row in rows("constant")]


@pytest.mark.parametrize(("file", "name", "starred", "arguments"), OPERATIONS)
def test_operation(file, name, starred, arguments):
    wanted = [] if starred else arguments.split(", ")
    if not is_native(file):
        assert is_within(wanted, python_arguments(file, name))
    elif starred:
        assert re.search(rf"\b{name}\b", (ROOT / file).read_text())
    else:
        assert any(is_within(wanted, own) for own in native_arguments(file, name))


def constant(file: str, name: str) -> int:
    if not is_native(file):
        value = python_object(file, name)
        return getattr(value, "value", value)
    (text,) = re.findall(rf"constexpr \w+ {name} = ([^;]+);", (ROOT / file).read_text())
    text = re.sub(r"\w+\{(\d+)\}", r"\1", text)  # int64_t{1}
    return eval(re.sub(r"(\d)u\b", r"\1", text), {})


@pytest.mark.parametrize("row", CONSTANTS)
def test_constant(row):
    values = [constant(file, name) for cell in row[1:] for file, name, _ in entries(cell)]
    assert len(values) >= 2 and len(set(values)) == 1, values


def test_the_tables_are_read():
    assert len(rows("operation")) > 20 and len(OPERATIONS) > 60 and len(CONSTANTS) > 10
    assert all(entries(row[1]) or entries(row[2]) for row in rows("operation"))
