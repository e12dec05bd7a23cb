"""The streams of `small` and their pixels stay the same, whatever is sped up or restructured."""

import json

import pytest
from golden_small import FOLDER, ids_of, pixels_of

import mcm_fast
from mcm_fast.testing.streams import latents_hash

INDEX = json.loads((FOLDER / "index.json").read_text())


def test_ids():
    """More renderings may come; those that are here stay."""
    assert mcm_fast.models()["small"] == INDEX["model"]
    assert ids_of().items() >= INDEX["ids"].items()


def test_the_documents_say_so():
    """docs/models.md is where the promise is made: it names what the golden streams hold."""
    text = (FOLDER.parents[2] / "docs" / "models.md").read_text()
    assert all(f"`{key}`" in text for key in (INDEX["model"], *INDEX["ids"].values()))


@pytest.mark.parametrize("name", INDEX["streams"])
def test_latents(name):
    latents = mcm_fast.load("small").decode((FOLDER / f"{name}.mcm").read_bytes())
    found = latents_hash(latents.z.numpy(), latents.y.numpy())
    assert found == INDEX["streams"][name]["latents"]


@pytest.mark.parametrize("name", INDEX["streams"])
def test_pixels(name):
    found = pixels_of((FOLDER / f"{name}.mcm").read_bytes())
    assert found.items() >= INDEX["streams"][name]["pixels"].items()
