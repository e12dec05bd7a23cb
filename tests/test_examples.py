"""The examples run, and what docs/embedding.md shows of them stands in them."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import host_program

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "embedding.md").read_text()
HOSTS = {
    "pillow_pictures": None,
    "transcode_folder": None,
    "webdataset_shards": "webdataset",
    "litdata_chunks": "litdata",
    "streaming_shards": "streaming",
    "hugging_face_dataset": "datasets",
    "zarr_array": "zarr",
    "ray_batches": "ray",
}
RECIPES = re.findall(
    r"\(\.\./examples/(\w+)\.py\)[^\n]*(?:\n[^\n ][^\n]*)*\n\n((?:    .*\n)+)", PAGE
)


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.slow if n == "ray_batches" else ()) for n in HOSTS],
)
def test_example(name, tmp_path):
    host = HOSTS[name]
    if host is not None:
        host_program(host)
    command = [sys.executable, str(ROOT / "examples" / f"{name}.py")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout


@pytest.mark.parametrize(("name", "lines"), RECIPES, ids=[name for name, _ in RECIPES])
def test_recipe(name, lines):
    example = [line.strip() for line in (ROOT / "examples" / f"{name}.py").read_text().splitlines()]
    for line in lines.splitlines():
        assert line.strip() in example


def test_there_is_a_recipe_for_every_host():
    assert {name for name, _ in RECIPES} == set(HOSTS) - {"transcode_folder"}
