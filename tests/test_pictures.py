"""Pictures and streams in all the forms that people have them in, and `out=`."""

import io
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import torch
from conftest import noise
from PIL import Image, ImageCms

import mcm_fast
from mcm_fast import BitstreamError, Reason

IMAGE = noise(20, 30)
GRAY, ALPHA = IMAGE[:1], torch.full((1, 20, 30), 200, dtype=torch.uint8)
TENSORS = {
    "L": GRAY,
    "LA": torch.cat((GRAY, ALPHA)),
    "RGB": IMAGE,
    "RGBA": torch.cat((IMAGE, ALPHA)),
}


def array_of(image: torch.Tensor) -> np.ndarray:
    return image.permute(1, 2, 0).numpy()


def pillow_of(image: torch.Tensor) -> Image.Image:
    array = array_of(image)
    return Image.fromarray(array[..., 0] if array.shape[2] == 1 else array)


@pytest.mark.parametrize("mode", TENSORS)
def test_arrays_and_pillow(codec, mode):
    image = TENSORS[mode]
    array, picture = array_of(image), pillow_of(image)
    assert picture.mode == mode
    given = [array, array / 255, (array / 255).astype(np.float32), picture]
    given += [
        np.asfortranarray(array),
        np.frombuffer(array.tobytes(), np.uint8).reshape(array.shape),
    ]
    given += [(array / 255).astype(">f4"), (array / 255).astype(np.longdouble)]
    given += [np.flip(np.ascontiguousarray(np.flip(array, 0)), 0)]
    given += [array[..., 0]] if mode == "L" else []
    expected = codec.compress(image)
    for each in given:
        assert codec.compress(each) == expected
    assert codec.compress_many(given) == [expected] * len(given)  # nothing was changed
    assert codec.compress_many(np.stack([array, array])) == [expected] * 2
    assert codec.analysis(array) == codec.analysis(image)


def test_the_functions_take_them_too(tmp_path):
    path = tmp_path / "photo.png"
    pillow_of(IMAGE).save(path)
    expected = mcm_fast.compress(IMAGE)
    given = [array_of(IMAGE), pillow_of(IMAGE), path, str(path)]
    assert [mcm_fast.compress(each) for each in given] == [expected] * 4
    assert mcm_fast.compress_many(given) == [expected] * 4


def test_other_modes_of_pillow(codec):
    """As docs/pictures.md says of files: converted, with a warning where something is lost."""
    rgb = pillow_of(IMAGE)
    palette = rgb.quantize(16)
    assert codec.compress(palette) == codec.compress(palette.convert("RGB"))
    palette.info["transparency"] = 3
    assert codec.compress(palette) == codec.compress(palette.convert("RGBA"))
    assert codec.compress(rgb.convert("1")) == codec.compress(rgb.convert("1").convert("L"))
    deep = Image.fromarray(array_of(GRAY)[..., 0].astype(np.uint16) * 257)
    with pytest.warns(UserWarning, match="16 bits"):
        assert codec.compress(deep) == codec.compress(GRAY)
    for mode in ("F", "I"):
        with pytest.raises(ValueError, match="pixels"):
            codec.compress(rgb.convert("L").convert(mode))


def test_what_a_picture_says_of_itself(codec, tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture, path = pillow_of(IMAGE), tmp_path / "photo.png"
    picture.info["icc_profile"] = profile
    exif = Image.Exif()
    exif[0x010E] = "a photograph"
    picture.save(path, icc_profile=profile, exif=exif)
    found = mcm_fast.read_metadata(codec.compress(picture))
    assert found == {"icc_profile": profile}
    found = mcm_fast.read_metadata(codec.compress(path))
    assert found["icc_profile"] == profile and b"a photograph" in found["exif"]
    first, second = codec.compress_many([path, IMAGE])
    assert mcm_fast.read_metadata(first) == found and mcm_fast.read_metadata(second) == {}
    for metadata in ({}, {"xmp": b"<x/>"}):
        assert mcm_fast.read_metadata(codec.compress(path, metadata=metadata)) == metadata
        assert mcm_fast.read_metadata(codec.compress_many([path], metadata=metadata)[0]) == metadata
    target = codec.compress(path, target_bpp=8 * len(codec.compress(IMAGE, 50)) / 600)
    assert mcm_fast.read_metadata(target) == found


def test_a_file_that_is_none(codec, tmp_path):
    with pytest.raises(FileNotFoundError):
        codec.compress(tmp_path / "none.png")
    (tmp_path / "text.png").write_text("text")
    with pytest.raises(ValueError, match="not a readable image"):
        codec.compress(tmp_path / "text.png")
    outcomes = codec.compress_many([tmp_path / "none.png", IMAGE], on_error="return")
    assert isinstance(outcomes[0], FileNotFoundError) and outcomes[1] == codec.compress(IMAGE)


BAD = {
    "uint16": np.zeros((8, 8, 3), np.uint16),
    "bool": np.zeros((8, 8, 3), bool),
    "objects": np.full((8, 8, 3), None),
    "text": np.full((8, 8, 3), "a"),
    "five channels": np.zeros((8, 8, 5), np.uint8),
    "channels first": np.zeros((3, 8, 8), np.uint8),
    "one dimension": np.zeros(8, np.uint8),
    "no rows": np.zeros((0, 8, 3), np.uint8),
    "batch": np.zeros((1, 8, 8, 3), np.uint8),
    "too bright": np.full((8, 8, 3), 1.5),
    "nan": np.full((8, 8, 3), np.nan),
    "bytes": b"\xff\xd8",
    "file": io.BytesIO(b"\xff\xd8"),
    "none": None,
    "list of a tensor": [IMAGE],
    "sparse": IMAGE.float().to_sparse(),
    "meta": torch.zeros(3, 8, 8, device="meta"),
    "float8": torch.zeros(3, 8, 8).to(torch.float8_e4m3fn),
    "complex": torch.zeros(3, 8, 8, dtype=torch.complex64),
    "quantized": torch.quantize_per_tensor(torch.zeros(3, 8, 8), 0.1, 0, torch.quint8),
    "batch of tensors": IMAGE[None],
}


@pytest.mark.filterwarnings("ignore:.*quantize")
@pytest.mark.parametrize("name", BAD)
def test_no_picture(codec, name):
    for call in (codec.compress, codec.analysis, lambda bad: codec.compress_many([bad])):
        with pytest.raises(ValueError, match="an image|an array|images|image"):
            call(BAD[name])


def test_hints(codec):
    with pytest.raises(ValueError, match="this looks like \\(C, H, W\\)"):
        codec.compress(BAD["channels first"])
    with pytest.raises(ValueError, match="nested"):
        codec.compress(torch.nested.nested_tensor([IMAGE.float() / 255]))
    with pytest.raises(ValueError, match="image 1 of the batch.*one tensor"):
        codec.compress_many([IMAGE, IMAGE[None]])


def test_pillow_is_not_imported_for_tensors():
    script = (
        "import sys, numpy, torch, mcm_fast\n"
        "stream = mcm_fast.compress(numpy.zeros((8, 8, 3), numpy.uint8))\n"
        "assert 'PIL' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def streams_of(stream: bytes, path: pathlib.Path) -> dict[str, object]:
    path.write_bytes(stream)
    vector = np.frombuffer(stream, np.uint8)
    return {
        "bytes": stream,
        "bytearray": bytearray(stream),
        "memoryview": memoryview(stream),
        "array": vector,
        "strided array": np.repeat(vector, 2)[::2],
        "tensor": torch.tensor(vector),
        "strided tensor": torch.tensor(vector).repeat_interleave(2)[::2],
        "path": path,
        "name": str(path),
        "memory": io.BytesIO(stream),
        "raw file": open(path, "rb", buffering=0),
    }


def test_streams(codec, tmp_path):
    stream = codec.compress(IMAGE, metadata={"exif": b"II*\0"})
    expected, facts = codec.decompress(stream), mcm_fast.info(stream)
    for name, each in streams_of(stream, tmp_path / "a.mcm").items():
        assert torch.equal(codec.decompress(each), expected), name
        if hasattr(each, "seek"):
            each.seek(0)
        assert torch.equal(codec.decode(each).y, codec.decode(stream).y), name
        if hasattr(each, "seek"):
            each.seek(0)
        assert mcm_fast.info(each) == facts, name
        if hasattr(each, "seek"):
            each.seek(0)
        assert mcm_fast.read_metadata(each) == {"exif": b"II*\0"}, name


def test_streams_by_the_functions(tmp_path):
    stream = mcm_fast.compress(IMAGE)
    for name, each in streams_of(stream, tmp_path / "a.mcm").items():
        if hasattr(each, "seek"):
            each.seek(0)
        assert mcm_fast.decompress_many([each])[0].shape == (3, 20, 30), name


def test_paths_are_not_kept_open(codec, tmp_path):
    """More files than a process may have open."""
    stream = codec.compress(noise(8, 8))
    paths = [tmp_path / f"{i}.mcm" for i in range(40)]
    for path in paths:
        path.write_bytes(stream)
    script = """
import resource, sys, mcm_fast
from pathlib import Path
from mcm_fast.container import as_source, read_header
resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))
sources = [as_source(path) for path in sorted(Path(sys.argv[1]).glob("*.mcm"))]
assert len([read_header(source) for source in sources]) == 40
"""
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)


@pytest.mark.parametrize("bad", [None, 7, [b""], np.zeros(9), np.zeros((3, 3), np.uint8)], ids=str)
def test_no_stream(codec, bad):
    for call in (codec.decompress, codec.decode, mcm_fast.info, mcm_fast.read_metadata):
        with pytest.raises(ValueError, match="a stream is bytes"):
            call(bad)
    with pytest.raises(FileNotFoundError):
        codec.decompress("no such file")


def test_several_streams_in_one_file(codec):
    stream = codec.compress(IMAGE)
    for call in (codec.decompress, mcm_fast.info):
        with pytest.raises(BitstreamError, match=f"another stream begins after {len(stream)} "):
            call(stream * 2)


class Counted(io.BytesIO):
    taken = 0

    def read(self, count=-1):
        content = super().read(count)
        self.taken += len(content)
        return content


def test_info_reads_the_header_alone(codec):
    stream = codec.compress(noise(200, 300), 90)
    file = Counted(stream)
    facts = mcm_fast.info(file)
    assert file.taken <= 1024 < len(stream) / 8
    assert mcm_fast.info(stream[:1024], partial=True) == facts
    assert mcm_fast.info(stream[: facts["header_bytes"]], partial=True) == facts
    for cut in (stream[:1024], stream[:-1]):
        with pytest.raises(BitstreamError) as error:
            mcm_fast.info(cut)
        assert error.value.reason is Reason.TRUNCATED
    with pytest.raises(BitstreamError, match="within its header"):
        mcm_fast.info(stream[: facts["header_bytes"] - 1], partial=True)
    with pytest.raises(ValueError, match="verify"):
        mcm_fast.info(stream, verify=True, partial=True)


def test_out(codec):
    stream = codec.compress(IMAGE)
    expected = codec.decompress(stream)
    batch = torch.zeros(2, 3, 20, 30, dtype=torch.uint8)
    assert codec.decompress(stream, out=batch[1]).data_ptr() == batch[1].data_ptr()
    assert torch.equal(batch[1], expected) and not batch[0].any()
    last = torch.zeros(20, 30, 3, dtype=torch.uint8)
    codec.decompress(stream, out=last.permute(2, 0, 1))
    assert torch.equal(last.permute(2, 0, 1), expected)
    part = torch.zeros(3, 5, 4, dtype=torch.uint8)
    assert codec.decompress(stream, box=(1, 2, 5, 7), out=part) is part
    assert torch.equal(part, codec.decompress(stream, box=(1, 2, 5, 7)))
    with torch.inference_mode():
        ordinary = torch.zeros(3, 20, 30)
    wrong = [batch[0, :1], batch[0].float(), batch, expected.numpy(), batch[0].to("meta"), ordinary]
    for bad in wrong:
        with pytest.raises(ValueError, match="out is"):
            codec.decompress(stream, out=bad)
    small = mcm_fast.compress(IMAGE)
    assert torch.equal(mcm_fast.decompress(small, out=batch[0]), mcm_fast.decompress(small))
