"""Imports run one way (CONTRIBUTING.md). Read from the sources, so that late imports count too."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# From the ground up: a module or package imports from its own floor and those below. What has no
# floor of its own belongs to the codec.
CODEC: set[str] = set()
FLOORS = [
    {"errors", "limits", "inputs", "tensor_inputs", "coding_tiles", "files", "gray"}
    | {"lazy", "many", "metadata", "opaque", "rate", "state", "threads", "warn"},
    {"network", "presets"},
    {"kernels"},
    {"exact", "symbols"},
    CODEC,
    {"evaluation"},
    {"training"},
    {"transcoding"},
    {"cli", "__main__"},
]


def modules() -> Iterator[tuple[list[str], Path]]:
    """The parts of each module's name behind `mcm_fast`, and its file; packages end in __init__."""
    for folder, prefix in ((ROOT / "mcm_fast", []), (ROOT / "kernels", ["kernels"])):
        for path in sorted(folder.rglob("*.py")):
            yield prefix + list(path.relative_to(folder).with_suffix("").parts), path


def statements(tree: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """All imports but those for type checkers alone."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        yield from statements(node)


def imported(name: list[str], path: Path) -> set[str]:
    """The first part of the name of each module of ours that it imports, itself left out."""
    found = set()
    for node in statements(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            package = ["mcm_fast", *name][: -node.level] if node.level else []
            base = ".".join([*package, *filter(None, [node.module])])
            names = [f"{base}.{alias.name}" for alias in node.names]
        found |= {n.split(".")[1] for n in names if n.startswith("mcm_fast.")}
    return found - {name[0]}


MODULES = [pytest.param(name, path, id=".".join(name)) for name, path in modules()]


def floor(part: str) -> int:
    return next((i for i, floor in enumerate(FLOORS) if part in floor), FLOORS.index(CODEC))


@pytest.mark.parametrize(("name", "path"), MODULES)
def test_nothing_is_imported_from_above(name, path):
    if name == ["__init__"]:
        pytest.skip("the public face names what it loads late")
    above = {part for part in imported(name, path) if floor(part) > floor(name[0])}
    assert not above


def test_kernels_import_nothing_of_ours():
    kernels = [(name, path) for name, path in modules() if name[0] == "kernels"]
    assert len(kernels) > 4
    assert not any(imported(name, path) for name, path in kernels)


def test_imports_are_read():
    """Of every form that the sources use."""
    by_name = {".".join(name): imported(name, path) for name, path in modules()}
    assert {"errors", "limits", "tensor_inputs", "network", "kernels"} <= set.union(
        *(found for name, found in by_name.items() if name.startswith("exact."))
    )
    assert "container" in by_name["api"] and "kernels" in by_name["exact.cuda.layers"]
