"""The C library refuses what `PixelDecoder` refuses, for the same reason; and files of models."""

import dataclasses
import random
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from c_library import BAD_MODEL, NO_FILE, CDecoder, Refused, outcome
from decoders import KINDS, decoder_of
from format_streams import raw, sealed, start
from hostile import damaged, repaired, strange_but_good
from safetensors.numpy import load_file, save_file

import mcm_fast
from mcm_fast import PixelDecoder, container, testing


@pytest.fixture(scope="module")
def pairs(libmcm, native, arrays, c_golden, c_streams):
    """Streams of many kinds, each with the library's decoder and ours."""
    own = CDecoder(libmcm, c_golden), PixelDecoder(c_golden, threads=1)
    golden = testing.golden_streams()
    found = {kind: (c_streams[kind], native, arrays) for kind in KINDS}
    yield found | {name: (golden[name].data, *own) for name in ("chunks", "everything", "extreme")}
    own[0].close()


@pytest.mark.parametrize("name", ["pixel", "gray-alpha", "tiles-gray", "chunks", "everything"])
def test_damage(pairs, name):
    """Every truncation, and flips of bits all over the stream: for the same reason."""
    stream, native, arrays = pairs[name]
    broken = [stream[:n] for n in range(0, len(stream), 1 + len(stream) // 100)]
    for i in range(0, 8 * len(stream), 1 + len(stream) // 20):
        flipped = bytearray(stream)
        flipped[i // 8] ^= 1 << i % 8
        broken.append(bytes(flipped))
    for data in broken:
        for box in (None, (0, 0, 1, 1)):
            expected = outcome(arrays.decompress, data, box=box)
            assert outcome(native.decompress, data, box=box) == expected


def edited(stream: bytes, rng: random.Random) -> bytes:
    """A few edits, most of them in the header, then checksums that fit."""
    data = bytearray(stream)
    for _ in range(rng.randint(1, 3)):
        end = min(len(data), rng.choice((20, 40, 80, len(data))))
        at = rng.randrange(min(rng.choice((4, 16, 16, 16)), end - 1), end)
        kind = rng.randrange(4)
        if kind == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[at] = rng.choice((0, 1, 2, 63, 64, 127, 128, 255))
        elif kind == 2:
            del data[at : at + rng.randint(1, 3)]
        else:
            data[at:at] = rng.choice(
                (b"\0", b"\1", b"\x80\1", b"\xff\x7f", b"\xff\xff\xff\xff\x0f", b"iccp")
            )
    return repaired(bytes(data)) if rng.random() < 0.9 else bytes(data)


def same_outcomes(pairs, count: int, seed: int) -> Counter:
    """Of edited streams, whole and a box of them, by both decoders; what came out how often."""
    rng, counts = random.Random(seed), Counter()
    for _ in range(count):
        name = rng.choice([*pairs])
        stream, native, arrays = pairs[name]
        data = edited(stream, rng)
        scale = rng.choice((1, 8)) if name in KINDS else 1  # the golden model has no previews
        options = {"box": rng.choice((None, (0, 0, 1, 1))), "scale": scale}
        expected = outcome(arrays.with_limits(max_pixels=2**18).decompress, data, **options)
        found = outcome(native.decompress, data, max_pixels=2**18, **options)
        assert found == expected, (data.hex(), options)
        counts["picture" if isinstance(found, bytes) else str(found)] += 1
    return counts


def test_edits_with_checksums_that_hold(pairs):
    counts = same_outcomes(pairs, 400, 0)
    assert len(counts) >= 6, counts  # nearly every reason, and pictures


@pytest.mark.parametrize("size", [(1, 260, 70), (3, 90, 270)], ids=["tall", "wide"])
def test_an_image_without_tiles_is_read_to_its_end(native, arrays, c_codec, size):
    """Though the first rows of latents are all that a preview of the first pixel is drawn from."""
    stream = c_codec.compress(torch.zeros(size, dtype=torch.uint8), 61)
    data = damaged(stream, latents=1000)["words-one-more"]
    for box in (None, (0, 0, 1, 1)):
        for decoder in (arrays, native):
            found = outcome(decoder.decompress, data, box=box, scale=8)
            assert found == mcm_fast.Reason.DAMAGED


@pytest.mark.slow
def test_many_edits(pairs):
    same_outcomes(pairs, 20000, 1)


def test_the_fuzzers_corpus(native, arrays):
    for path in sorted((Path(__file__).parents[1] / "fuzz/corpus/container").iterdir()):
        for data in (path.read_bytes(), repaired(path.read_bytes())):
            for limit, box in ((2**63, (0, 0, 1, 1)), (2**20, None)):
                expected = outcome(arrays.with_limits(max_pixels=limit).decompress, data, box=box)
                found = outcome(native.decompress, data, max_pixels=limit, box=box)
                assert found == expected, path.name


def test_its_own_fuzzer_s_corpus(pairs):
    """Streams for the golden model (fuzz/c_fuzzer.cpp)."""
    _, native, arrays = pairs["chunks"]
    limited, pictures = arrays.with_limits(max_pixels=2**16), 0
    for path in sorted((Path(__file__).parents[1] / "fuzz/corpus/c").iterdir()):
        data = path.read_bytes()
        for box in (None, (0, 0, 1, 1)):
            expected = outcome(limited.decompress, data, box=box)
            assert outcome(native.decompress, data, max_pixels=2**16, box=box) == expected, path
            pictures += isinstance(expected, bytes)
    assert pictures > 10


def test_crafted_streams(native, arrays, c_codec):
    """With checksums that hold."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randint(0, 256, (3, 100, 130), dtype=torch.uint8, generator=generator)
    good = c_codec.compress(noise, 90)
    latents = c_codec.decode(good)
    crafted = damaged(good, latents.y.numel() + latents.z.numel())
    for name, stream in {**crafted, **strange_but_good(good), "good": good}.items():
        expected = outcome(arrays.decompress, stream)
        assert outcome(native.decompress, stream) == expected, name
        assert isinstance(expected, bytes) == (name == "good" or name not in crafted), name


HUGE = b"\xff\xff\xff\xff\x0f"
GREEDY = {
    "tiles": sealed(start(flags=8) + HUGE + HUGE + b"\x01\x01") + bytes(3000),
    "exceptions": raw(table=b"\x00" + HUGE + b"\x00"),
    "words": raw(table=b"\x55\x00" + HUGE * 32),
    "chunk": raw(start(flags=4), chunk_list=b"\x01iccp" + HUGE),
    "chunks": raw(start(flags=4), chunk_list=HUGE),
    "alpha": raw(start(flags=4), chunk_list=b"\x01Alph\x05", alpha=sealed(HUGE)),
    "no alpha": raw(start(flags=4), chunk_list=b"\x01Alph\x00", alpha=sealed(b"")),
    "image": raw(size=HUGE + HUGE),
    "no image": raw(size=b"\x00\x01"),
    "long varint": raw(size=b"\x81\x00\x01"),
    "large varint": raw(size=b"\xff\xff\xff\xff\x10\x01"),
    "endless varint": raw(size=b"\x80" * 6 + b"\x01"),
    "no type": raw(start(flags=4), chunk_list=b"\x01ic p\x00", chunks=sealed(b"")),
    "twice": raw(start(flags=4), chunk_list=b"\x02icc\x61\x00icc\x61\x00", chunks=2 * sealed(b"")),
    "newer": raw(start(flags=4), chunk_list=b"\x01ABCD\x00", alpha=sealed(b"")),
    "after alpha": raw(start(flags=4), chunk_list=b"\x02Alph\x00iccp\x00"),
    "padding": raw(payload=b"\x00\x00\x01\x00\x00"),
    "one pixel": raw(),
}  # fmt: skip


@pytest.mark.parametrize("name", GREEDY)
def test_unearned_numbers(native, arrays, name):
    expected = outcome(arrays.decompress, GREEDY[name])
    assert outcome(native.decompress, GREEDY[name]) == expected != "refused"


def test_alpha_bombs(native, arrays, c_streams):
    """What inflates to more, less, or something else than the tile's rows."""
    for kind in ("rgba", "tiles-portrait"):
        stream = container.unpack(c_streams[kind])
        good = stream.alpha[0]
        rows = zlib.decompress(good)
        bad = {
            "more": zlib.compress(rows + b"\0"), "bomb": zlib.compress(bytes(10**8)),
            "less": zlib.compress(rows[:-1]), "nothing": b"", "no zlib": bytes(20),
            "cut": good[:-1], "longer": good + b"\0", "sum": good[:-1] + bytes([good[-1] ^ 1]),
            "filter": zlib.compress(b"\5" + rows[1:]),
        }  # fmt: skip
        for name, content in bad.items():
            data = container.pack(dataclasses.replace(stream, alpha=[content, *stream.alpha[1:]]))
            for box in (None, (0, 0, 9, 9)):
                expected = outcome(arrays.decompress, data, box=box)
                assert outcome(native.decompress, data, box=box) == expected, name
                assert expected is mcm_fast.Reason.DAMAGED


def test_every_filter_of_png(native, arrays, c_streams):
    stream = container.unpack(c_streams["gray-alpha"])
    width, height = stream.coded_size
    rows = np.random.default_rng(0).integers(0, 256, (height, width + 1), np.uint8)
    rows[:, 0] = np.arange(len(rows)) % 5
    data = container.pack(dataclasses.replace(stream, alpha=[zlib.compress(rows.tobytes())]))
    for scale in (1, 8):
        expected = arrays.decompress(data, scale=scale)
        assert np.array_equal(native.decompress(data, scale=scale), expected)


def refusal(libmcm, path: Path, stream: bytes | None = None) -> int | None:
    """The status of opening a file and, with a stream, of decoding it."""
    try:
        decoder = CDecoder(libmcm, path)
    except Refused as error:
        assert str(error)
        return error.status
    try:
        stream and decoder.decompress(stream)
    except Refused as error:
        return error.status
    finally:
        decoder.close()
    return None


def stated(shape: str, offsets: str = "[0,0]", kind: str = "I8") -> str:
    return f'"a":{{"dtype":"{kind}","shape":{shape},"data_offsets":{offsets}}}'


# Headers of safetensors files, or nearly so, without data behind them.
NO_HEADERS = [
    *("", "{", "{}", "[]", "null", "{}x", '{"a":1}', '{"a":{}}', '{"\\x":{}}', '{"a', '{"a\\'),
    *('{"a\n":{}}', '{"__metadata__":{"a":1}}', '{"__metadata__":{"a":"\\u00e9\\n"}}'),
    *('{"a":{"dtype":"I8",}}', '{"a":{"strides":[1]}}', '{"a":{"data_offsets":[0]}}'),
    '{"a":{"shape":[],"data_offsets":[0,0,0]}}',
    *(
        f"{{{tensors}}}"
        for tensors in (
            stated("[-1]"),
            stated("[1.5]"),
            stated("[2]", "[0,1]"),
            stated("[1]", "[1,0]"),
            stated("[0]", "[99,99]"),
            stated("[4294967296,4294967296]", kind="I64"),
            stated("[18446744073709551616]"),
            stated("[9223372036854775808]"),
            stated("[0]") + "," + stated("[0]"),
            stated("[0]"),
        )
    ),
]


def test_files_that_are_no_decoder_s(libmcm, c_model, tmp_path):
    path = tmp_path / "bad.safetensors"
    assert refusal(libmcm, path) == refusal(libmcm, tmp_path) == NO_FILE
    good = decoder_of(c_model).read_bytes()
    end = 8 + int.from_bytes(good[:8], "little")
    cuts = [good[:n] for n in (0, 7, 8, 9, 100, end - 1, end, len(good) - 1)]
    texts = [text.encode() for text in NO_HEADERS]
    texts = [len(text).to_bytes(8, "little") + text for text in texts]
    for data in (*cuts, *texts, b"\xff" * 8 + good[8:], c_model.read_bytes()):
        path.write_bytes(data)
        assert refusal(libmcm, path) == BAD_MODEL


def test_numbers_that_break_a_bound(libmcm, c_model, c_streams, tmp_path):
    path, tensors = tmp_path / "bad.safetensors", load_file(decoder_of(c_model))
    edits = {
        "bias": ((0, 0), 2**50), "tables.cdf": (1, -5), "pixels.faithful.layers": ((0, 1), 7),
        "pixels.faithful.0.bias": (0, 2**60), "pixels.faithful.exp2": (0, -1),
    }  # fmt: skip
    save_file(tensors, path)
    assert refusal(libmcm, path, c_streams["rgb"]) is None
    for name, (place, value) in edits.items():
        changed = tensors[name].copy()
        changed[place] = value
        save_file({**tensors, name: changed}, path)
        assert refusal(libmcm, path, c_streams["rgb"]) == BAD_MODEL, name
    for name in ("multiplier", "pixels.faithful.gain", "slice.3.head.weight"):
        save_file({key: t for key, t in tensors.items() if key != name}, path)
        assert refusal(libmcm, path, c_streams["rgb"]) == BAD_MODEL, name
    swapped = {k.replace("faithful", "preview8"): t for k, t in tensors.items() if "view8" not in k}
    save_file(swapped | {k: t for k, t in tensors.items() if "faithful" in k}, path)
    decoder = CDecoder(libmcm, path)
    with pytest.raises(Refused, match="scale") as caught:
        decoder.decompress(c_streams["rgb"], scale=8)
    assert caught.value.status == BAD_MODEL
    decoder.close()
