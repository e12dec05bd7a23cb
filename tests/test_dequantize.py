"""A compact model file: floats of the entropy model made from its integers."""

import os

import pytest
import torch

from mcm_fast import Codec, model_file
from mcm_fast.exact.quantize import export
from mcm_fast.network.model import Network
from mcm_fast.presets import CONFIGS


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A network, its model file, and the compact one."""
    torch.manual_seed(0)
    network = Network(CONFIGS["tiny"]).randomize()
    paths = [tmp_path_factory.mktemp("models") / f"{name}.safetensors" for name in ("full", "less")]
    for path, compact in zip(paths, (False, True), strict=True):
        model_file.save(network, path, compact=compact)
    return network, *paths


def test_the_integers_come_out_again(files):
    network, _, path = files
    model = model_file.load(path)
    again, expected = export(model.network), export(network)
    for name, tensor in expected.tensors.items():
        if name != "bias":  # made of betas, which the file holds as fp16
            assert torch.equal(again.tensors[name], tensor), name


def test_floats_are_within_their_rounding(files):
    network, _, path = files
    found = model_file.load(path).network.state_dict()
    assert found.keys() == network.state_dict().keys()
    for name, expected in network.state_dict().items():
        error = (found[name] - expected).abs().max()
        assert error <= 0.005 * expected.abs().max(), name  # half a step of 127, or fp16


def test_the_codec_is_the_same(files):
    _, full, less = files
    assert os.path.getsize(less) < os.path.getsize(full)
    image = torch.randint(0, 256, (3, 40, 56), generator=torch.Generator().manual_seed(1)).byte()
    streams = [Codec.from_file(path).compress(image, 60) for path in (full, less)]
    assert streams[0] == streams[1]
    images = [Codec.from_file(path).decompress(streams[0]) for path in (full, less)]
    assert torch.equal(*images)


def test_a_network_rounded_as_in_use_is_the_integers(files):
    """Fake quantisation of the floats from a compact file: the same latents and distributions."""
    codec = Codec.from_file(files[2])
    codec.network.quantize()
    image = torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(2))
    latents = codec.analysis(image, 100)
    parameters = codec.engine.parameters(latents.y, latents.z, latents.quality_steps)
    with torch.inference_mode():
        coded = codec.network.entropy(codec.network.analysis(image[None]), torch.tensor([7.0]))
    assert torch.equal(coded.y_hat[0].short(), latents.y)
    same = (coded.index[0].round() == parameters.indexes).float().mean()
    assert same > 0.99  # betas are fp16 in the one, and exact in the other
    hyper = (16 * coded.hyper[0] - parameters.hyper).abs()
    assert hyper.max() <= 1


def test_half_a_file_is_refused(files, tmp_path):
    from safetensors.torch import load_file, save_file

    _, full, _ = files
    tensors, path = load_file(full), tmp_path / "half.safetensors"
    del tensors["network.context.head_weight"]
    save_file(tensors, path, model_file._read(full)[0])
    with pytest.raises(ValueError, match="context.head_weight"):
        model_file.load(path)
