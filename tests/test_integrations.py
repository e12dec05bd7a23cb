"""Host programs: each integration against the real package, where it is installed."""

import io
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from conftest import host_program
from pictures import photograph
from PIL import Image

import mcm_fast
from mcm_fast.integrations import pictures

SIZE = 40, 64


def picture() -> np.ndarray:
    return np.array(photograph(*SIZE))


@pytest.fixture(scope="module")
def stream() -> bytes:
    return mcm_fast.compress(torch.from_numpy(picture()).permute(2, 0, 1), quality=80)


def is_picture(decoded, kind: str = "torch") -> bool:
    """Whether it is `picture()` again, but for what compression costs."""
    if kind == "torch":
        assert decoded.dtype == torch.uint8
        decoded = decoded.permute(1, 2, 0)
    array = np.asarray(decoded)
    return array.shape == (*SIZE, 3) and np.abs(array - picture().astype(float)).mean() < 4


def test_pictures_of_every_kind(stream):
    for kind in ("torch", "numpy", "pil"):
        assert is_picture(pictures.decode(stream, kind), kind)
    same = [picture(), Image.fromarray(picture()), torch.from_numpy(picture()).permute(2, 0, 1)]
    assert {pictures.encode(image, 80) for image in same} == {stream}
    assert pictures.encode(stream) == stream and not pictures.is_stream("MCM")
    gray = pictures.decode(pictures.encode(picture()[..., 0]), "pil")
    assert gray.mode == "L" and gray.size == SIZE[::-1]
    assert pictures.decode(pictures.encode(Image.new("P", (8, 9))), "numpy").shape == (9, 8, 3)
    with pytest.raises(ValueError, match="kind is 'torch', 'numpy' or 'pil', not 'jax'"):
        pictures.decode(stream, "jax")
    with pytest.raises(ValueError, match="kind is 'torch', 'numpy' or 'pil'"):
        pictures.decode(stream, np.zeros(3))


def test_another_rendering(stream):
    """Every loader takes its name; one that the model does not have is an error."""
    from mcm_fast.integrations import datasets, ray, webdataset

    wanted = mcm_fast.imread(stream, rendering="fast")
    assert not np.array_equal(wanted, mcm_fast.imread(stream))
    batch = {"mcm": [stream]}
    found = [
        pictures.decode(stream, "numpy", "fast"),
        pickle.loads(pickle.dumps(webdataset.decoder("numpy", "fast")))("a.mcm", stream),
        datasets.decode("mcm", "numpy", "fast")(batch)["mcm"][0],
        ray.Decompress(device="cpu", rendering="fast")(batch)["image"][0],
    ]
    assert is_picture(wanted, "numpy") and all(np.array_equal(wanted, array) for array in found)
    with pytest.raises(ValueError, match="unknown rendering"):
        pictures.decode(stream, "numpy", "faster")


def test_a_webdataset(tmp_path):
    wds = pytest.importorskip("webdataset")
    from mcm_fast.integrations.webdataset import decoder, encoder

    path = str(tmp_path / "000.tar")
    with wds.TarWriter(path, encoder=encoder(quality=80)) as writer:
        for i in range(3):
            writer.write({"__key__": f"{i:04}", "mcm": picture(), "cls": i, "txt": "words"})
    for kind in ("torch", "numpy", "pil"):
        samples = list(wds.WebDataset(path, shardshuffle=False).decode(decoder(kind)))
        assert [sample["cls"] for sample in samples] == [0, 1, 2]
        assert all(is_picture(sample["mcm"], kind) for sample in samples)
    assert samples[0]["txt"] == "words"
    assert pickle.loads(pickle.dumps(decoder("pil"))).kind == "pil"
    with pytest.raises(ValueError, match="kind"):
        decoder("tf")


def test_workers_of_a_webdataset(tmp_path):
    wds = pytest.importorskip("webdataset")
    from mcm_fast.integrations.webdataset import decoder, encoder

    for shard in range(2):
        with wds.TarWriter(str(tmp_path / f"{shard}.tar"), encoder=encoder(80)) as writer:
            writer.write({"__key__": str(shard), "mcm": picture()})
    urls = sorted(map(str, tmp_path.glob("*.tar")))
    dataset = wds.WebDataset(urls, shardshuffle=False).decode(decoder()).to_tuple("mcm")
    loader = torch.utils.data.DataLoader(dataset, num_workers=2, batch_size=None)
    images = [image for (image,) in loader]
    assert len(images) == 2 and all(map(is_picture, images))


def test_litdata(tmp_path, stream):
    litdata = pytest.importorskip("litdata")
    from mcm_fast.integrations.litdata import serializers

    cache = litdata.streaming.Cache(str(tmp_path), chunk_size=2, serializers=serializers(80))
    for i in range(3):
        image = torch.from_numpy(picture()).permute(2, 0, 1) if i else Image.fromarray(picture())
        cache[i] = {"image": image, "number": i}
    cache.done()
    cache.merge()
    samples = list(litdata.StreamingDataset(str(tmp_path), serializers=serializers()))
    assert [sample["number"] for sample in samples] == [0, 1, 2]
    assert all(is_picture(sample["image"]) for sample in samples)
    of_bytes = serializers(kind="numpy", rendering="fast")["bytes"]
    assert np.array_equal(of_bytes.deserialize(stream), mcm_fast.imread(stream, rendering="fast"))
    of_bytes = serializers(kind="pil")["bytes"]
    assert of_bytes.deserialize(b"others") == b"others"
    assert is_picture(of_bytes.deserialize(stream), "pil")


def test_mosaicml_streaming(tmp_path, stream):
    streaming = host_program("streaming")
    from mcm_fast.integrations.streaming import McmEncoding

    kinds = {"torch": "mcm:80", "numpy": "mcm:80:0:numpy", "pil": "mcm:80:pil:fast"}
    same = [picture(), Image.fromarray(picture()), torch.from_numpy(picture()).permute(2, 0, 1)]
    folder = str(tmp_path)
    with streaming.MDSWriter(out=folder, columns={"number": "int", **kinds}) as writer:
        for number, image in enumerate([*same, stream]):
            writer.write({"number": number, **dict.fromkeys(kinds, image)})
    dataset = streaming.StreamingDataset(local=folder, shuffle=False, batch_size=1)
    options = {"num_workers": 1, "collate_fn": list, "timeout": 60}
    batches = list(streaming.StreamingDataLoader(dataset, batch_size=1, **options))
    in_a_worker = [sample for (sample,) in batches]
    for samples in (in_a_worker, list(dataset), list(streaming.LocalDataset(local=folder))):
        assert [sample["number"] for sample in samples] == [0, 1, 2, 3]
        assert all(is_picture(sample[kind], kind) for sample in samples for kind in kinds)
    shard = next(tmp_path.glob("*.mds")).read_bytes()
    assert shard.count(stream) == 12  # of every column, at its quality
    fast = mcm_fast.imread(stream, rendering="fast")
    assert np.array_equal(np.asarray(dataset[3]["pil"]), fast)
    assert vars(McmEncoding.from_str("37.5:2")) == vars(McmEncoding(37.5, 2, "torch"))
    for wrong in ("mcm:", "mcm:1:2:3", "mcm:101", "mcm:1.2.3", "mcm:50:jax", "mcm:50:0:pil:1"):
        with pytest.raises(ValueError, match="not"):
            streaming.MDSWriter(out=str(tmp_path / "none"), columns={"image": wrong})


def test_a_hugging_face_dataset(stream):
    datasets = pytest.importorskip("datasets")
    from mcm_fast.integrations.datasets import decode, encode

    features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("int64")})
    rows = {"image": [{"bytes": stream, "path": None}] * 2, "label": [0, 1]}
    dataset = datasets.Dataset.from_dict(rows, features=features)
    assert dataset[1]["image"].format == "MCM" and is_picture(dataset[1]["image"], "pil")
    streams = dataset.map(encode("image", quality=80), batched=True, remove_columns="image")
    assert streams[0]["mcm"][:4] == b"MCM\x1a"
    streams.set_transform(decode("mcm"))
    batch = streams[:2]
    assert batch["label"] == [0, 1] and all(map(is_picture, batch["mcm"]))
    assert list(streams["label"]) == [0, 1]


def test_a_zarr_array(tmp_path):
    zarr = pytest.importorskip("zarr")
    from mcm_fast.integrations.zarr import McmCodec

    options = {"store": tmp_path / "a.zarr", "dtype": "uint8", "compressors": None}
    codec = McmCodec(quality=80)
    array = zarr.create_array(
        **options, shape=(3, *SIZE, 3), chunks=(1, *SIZE, 3), serializer=codec
    )
    array[0], array[2] = picture(), picture()
    again = zarr.open_array(tmp_path / "a.zarr", mode="r")
    assert is_picture(again[0], "numpy") and not again[1].any()
    assert is_picture(np.concatenate([again[2, :10], again[2, 10:]]), "numpy")
    assert (tmp_path / "a.zarr" / "c/0/0/0/0").read_bytes()[:4] == b"MCM\x1a"
    with pytest.raises(ValueError, match="uint8"):
        zarr.create_array(**options | {"dtype": "u2"}, shape=(8, 8, 3), serializer=codec, name="b")
    with pytest.raises(ValueError, match="a chunk for mcm_fast"):
        zarr.create_array(
            **options, shape=(8, 8, 8, 3), chunks=(2, 8, 8, 3), serializer=codec, name="c"
        )


def test_zarr_finds_the_codec_by_its_entry_point(tmp_path):
    zarr = pytest.importorskip("zarr")
    from mcm_fast.integrations.zarr import McmCodec

    path = tmp_path / "a.zarr"
    options = {"shape": (*SIZE, 3), "chunks": (*SIZE, 3), "dtype": "uint8", "compressors": None}
    zarr.create_array(path, **options, serializer=McmCodec())[:] = picture()
    script = f"import zarr; print(zarr.open_array({str(path)!r}, mode='r')[:].mean())"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert float(done.stdout) == pytest.approx(picture().mean(), abs=2), done.stderr


@pytest.fixture(scope="module")
def ray():
    ray = pytest.importorskip("ray")
    pytest.importorskip("pyarrow")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield ray
    ray.shutdown()


@pytest.mark.slow
def test_ray_data(ray):
    from mcm_fast.integrations.ray import Compress, Decompress

    file = io.BytesIO()
    Image.fromarray(picture()).save(file, "PNG")
    rows = [{"image": file.getvalue(), "id": i} for i in range(5)]
    rows.append({"image": b"no picture", "id": 5})
    done = ray.data.from_items(rows).map_batches(
        Compress, fn_constructor_kwargs={"quality": 80}, batch_size=3, concurrency=1
    )
    by_id = {row["id"]: row for row in done.take_all()}
    assert by_id[5]["mcm"] is None and "not a readable image" in by_id[5]["error"]
    good = ray.data.from_items([by_id[i] for i in range(5)]).drop_columns(["error"])
    images = good.map_batches(Decompress, batch_size=2, concurrency=1).take_all()
    assert len(images) == 5 and all(is_picture(row["image"], "numpy") for row in images)


def test_ray_classes_alone(monkeypatch):
    from mcm_fast.integrations.ray import Compress, Decompress

    batch = {"image": np.stack([picture()] * 2), "id": np.arange(2)}
    done = Compress(quality=80, device="cpu")(batch)
    assert set(done) == {"id", "mcm", "error"} and list(done["error"]) == [None, None]
    again = Decompress(device="cpu")({"mcm": [*done["mcm"], b"none"], "id": np.arange(3)})
    assert all(is_picture(image, "numpy") for image in again["image"][:2])
    assert again["image"][2] is None and "not an MCM stream" in again["error"][2]
    again = Compress(device="cpu")({"image": [bytes(done["mcm"][0])]})
    assert "compressed already" in again["error"][0]
