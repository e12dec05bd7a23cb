"""What README shows runs."""

import re
from pathlib import Path

import pytest
import torch
from PIL import Image
from skimage import data

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(r"(?:^    .*\n(?:\n(?=    ))?)+", (ROOT / "README.md").read_text(), flags=re.M)


def block(word: str) -> str:
    """The only indented block that holds `word`, as a program."""
    (text,) = [text for text in BLOCKS if word in text]
    return re.sub("^    ", "", text.partition("pip install .\n")[2] or text, flags=re.M)


@pytest.fixture
def photo(tmp_path, monkeypatch) -> Path:
    """A folder with photo.jpg in it, as the working directory."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(data.coffee()[:96, :128]).save("photo.jpg")
    return tmp_path


def test_from_a_file_to_a_file(photo):
    exec(block('photo.mcm", "wb"'), {})
    assert Image.open("photo.png").size == (128, 96)


def test_use(photo):
    image = torch.randint(0, 256, (3, 80, 64), dtype=torch.uint8)
    names = {"image": image, "images": [image, image[:, :20]]}
    exec(
        "import mcm_fast, warnings\nwarnings.simplefilter('ignore')\n" + block("target_bpp"), names
    )
    assert names["image"].shape == image.shape and len(names["streams"]) == 2


def test_symbols():
    values = torch.tensor([-1, 0, 1, 900], dtype=torch.int16)
    names = {"values": values, "numbers": torch.tensor([0, 1, 0, 1], dtype=torch.int32)}
    exec(block("SymbolTables"), names)
    assert torch.equal(names["values"], values)


@pytest.mark.parametrize("page", ["README.md", "SECURITY.md", "CHANGELOG.md", "docs/README.md"])
def test_links_lead_somewhere(page):
    text = (ROOT / page).read_text()
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        if "://" not in link:
            assert (ROOT / page).parent.joinpath(link).exists(), link
