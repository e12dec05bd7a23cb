"""A rendering whose numbers could overflow or lead astray is refused, in Python and in C++."""

import numpy as np
import pytest
from pixel_lists import changed, odd_rendering
from safetensors.numpy import load_file, save_file

from mcm_fast.exact.extension import extension
from mcm_fast.exact.pixels.decoder_file import load_decoder, save_decoder
from mcm_fast.exact.pixels.layers import Layer
from mcm_fast.exact.pixels.rendering import Rendering

ODD = odd_rendering()
FIELD = {name: i for i, name in enumerate(Layer._fields)}
LAST = len(ODD.layers) - 1


def with_field(layer: int, name: str, value: int):
    return changed(ODD, "layers", (layer, FIELD[name]), value)


def without(name: str):
    return {key: tensor for key, tensor in ODD.tensors.items() if key != name}


def resized(name: str, *shape: int):
    return changed(ODD, name, None, np.resize(ODD.tensors[name], shape))


BAD = {
    **{f"{name} {value}": with_field(3, name, value) for name, value in (
        ("operation", 2), ("operation", -1), ("operation", 1), ("source", -1), ("source", 4),
        ("kernel", 0), ("kernel", 2), ("kernel", 3), ("kernel", 5), ("activation", 3),
        ("activation", -1), ("gate", 4), ("gate", -2), ("gate", 2), ("add", 0), ("add", 99),
        ("factor", 0), ("factor", 3), ("factor", 32), ("limit", 0), ("limit", 32768),
        ("limit", -1),
    )},
    "the image's limit": with_field(LAST, "limit", 254),
    "the image is added to": with_field(LAST, "add", 8),
    "the image is activated": with_field(LAST, "activation", 1),
    "a shift of 31": with_field(4, "factor", 31),
    "an inverse GDN of 3": with_field(4, "kernel", 3),
    "a larger limit, a larger sum": with_field(0, "limit", 32767),
    "no layers": changed(ODD, "layers", None, np.zeros((0, 8), np.int32)),
    "300 layers": resized("layers", 300, 8),
    "seven fields": changed(ODD, "layers", None, ODD.tensors["layers"][:, :7]),
    "no image": changed(ODD, "layers", None, ODD.tensors["layers"][:-1]),
    "a sum of 32 bits": changed(ODD, "0.weight", (0, 0), 32767),
    "a norm of 30 bits": changed(ODD, "4.beta", 0, 2**30),
    "a negative norm": changed(ODD, "4.weight", (1, 2), -1),
    "a negative beta": changed(ODD, "4.beta", 3, -1),
    "a bias of 53 bits": changed(ODD, "8.bias", 7, 2**53),
    "the least bias": changed(ODD, "8.bias", 7, -(2**63)),
    "a product of 53 bits": changed(ODD, "0.multiplier", 0, 2**30),
    "the least multiplier": changed(ODD, "0.multiplier", 0, -(2**31)),
    "a limit of latents": changed(ODD, "input", 0, 32768),
    "no limit of latents": changed(ODD, "input", 0, 0),
    "hyper features of 16 bits": changed(ODD, "input", 1, 9),
    "hyper features shifted right": changed(ODD, "input", 1, -1),
    "a gain of 2^26": changed(ODD, "gain", (1, 1), 26 << 16),
    "a gain of 2^-27": changed(ODD, "gain", (1, 1), -27 * 65536),
    "one level": changed(ODD, "gain", None, ODD.tensors["gain"][:1]),
    "no channels": changed(ODD, "gain", None, ODD.tensors["gain"][:, :0]),
    "more channels than inputs": resized("gain", 3, 10),
    "a power below 0": changed(ODD, "exp2", 5, -1),
    "a power above 2": changed(ODD, "exp2", 5, 2**17 + 1),
    "a short sigmoid": resized("sigmoid", 4095),
    "sigmoid's least": changed(ODD, "sigmoid", 0, -32768),
    "300 indexes": resized("means", 300, 5),
    "a flat table": resized("means", 48),
    **{f"no {name}": without(name) for name in ("layers", "means", "0.weight", "4.beta", "8.bias")},
    **{f"the type of {name}": changed(ODD, name, None, ODD.tensors[name].astype(np.float32))
       for name in ("layers", "gain", "3.weight", "3.multiplier", "3.bias", "4.beta")},
    "outputs": changed(ODD, "5.weight", None, ODD.tensors["5.weight"][:27]),
    "inputs": changed(ODD, "5.weight", None, ODD.tensors["5.weight"][:, :18]),
    "multipliers": changed(ODD, "5.multiplier", None, ODD.tensors["5.multiplier"][:27]),
    "an empty weight": changed(ODD, "0.weight", None, ODD.tensors["0.weight"][:0]),
}  # fmt: skip


def test_good():
    assert Rendering(dict(ODD.tensors)).id == ODD.id
    extension().pixels.Rendering(ODD.tensors)


@pytest.mark.parametrize("name", BAD)
def test_refused(name):
    with pytest.raises(ValueError):
        Rendering(BAD[name])
    with pytest.raises(ValueError):
        extension().pixels.Rendering(BAD[name])


def test_every_number_is_part_of_the_id():
    ids = {ODD.id}
    for name, tensor in ODD.tensors.items():
        if name != "layers":
            place = (0,) * tensor.ndim
            tensors = dict(ODD.tensors)
            tensors[name] = tensor.copy()
            tensors[name][place] -= np.sign(tensor[place]) or -1  # nearer to 0: within all bounds
            ids.add(Rendering(tensors).id)
    assert len(ids) == len(ODD.tensors)


def test_files(tmp_path):
    path = tmp_path / "good.safetensors"
    integers = {"multiplier": np.arange(3)}
    save_decoder(path, integers, {"faithful": ODD, "other": ODD})
    found = load_decoder(path)
    assert found.renderings.keys() == {"faithful", "other"}
    assert found.renderings["other"].id == ODD.id
    assert found.integers.keys() == {"multiplier"}
    assert load_decoder(path, {"other", "absent"}).renderings.keys() == {"other"}
    good, data = load_file(path), path.read_bytes()
    for length in (0, 7, 100, len(data) - 1):
        path.write_bytes(data[:length])
        with pytest.raises(ValueError, match="decoder's file"):
            load_decoder(path)
    for bad in ("a sum of 32 bits", "300 layers", "no means", "the type of gain"):
        tensors = {f"pixels.faithful.{name}": tensor for name, tensor in BAD[bad].items()}
        save_file({name: np.ascontiguousarray(t) for name, t in tensors.items()}, path)
        with pytest.raises(ValueError, match="decoder's file"):
            load_decoder(path)
    save_file(good | {"pixels.faithful.07.weight": good["multiplier"]}, path)
    assert load_decoder(path).renderings["faithful"].id == ODD.id  # no layer has such a number
    with pytest.raises(FileNotFoundError):
        load_decoder(tmp_path / "absent.safetensors")
