"""`mcm-fast export --decoder`: a model file becomes the decoder's."""

import pytest
from PIL import Image
from pixel_lists import pictures, tiny_network
from typer.testing import CliRunner

from mcm_fast import model_file
from mcm_fast.cli.main import app
from mcm_fast.exact.pixels.decoder_file import load_decoder
from mcm_fast.training.export import put_synthesis


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "two.safetensors"
    model_file.save(tiny_network(), path)
    put_synthesis(path, tiny_network(seed=1), path, "other")
    return path


def test_export_decoder(model, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    for i in range(8):
        picture = pictures()[0].permute(1, 2, 0).numpy()
        Image.fromarray(picture).rotate(45 * i).resize((320, 320)).save(photos / f"{i}.png")
    path = tmp_path / "two.decoder.safetensors"
    found = CliRunner().invoke(app, ["export", str(model), str(path), "--decoder"])
    assert found.exit_code != 0 and not path.exists()
    arguments = ["export", str(model), str(path), "--decoder", "--calibrate", str(photos)]
    found = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert found.exit_code == 0, found.output
    decoder = load_decoder(path)
    assert decoder.renderings.keys() == {"faithful", "other"}
    assert decoder.renderings["faithful"].id != decoder.renderings["other"].id
    integers = model_file.load(model).integers
    assert decoder.integers.keys() == integers.tensors.keys()
    for name, tensor in integers.tensors.items():
        assert (decoder.integers[name] == tensor.numpy()).all(), name
