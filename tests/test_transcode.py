"""Data sets of pictures -> data sets of streams: kinds, errors, and jobs that are killed."""

import io
import json
import os
import random
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import mcm_fast
from mcm_fast.cli.main import main
from mcm_fast.evaluation.metrics import psnr
from mcm_fast.images import read_image
from mcm_fast.transcoding import Job, Work, run
from mcm_fast.transcoding.sources import pieces_of, samples_of

SIDE = 32


def encoded(seed: int, side: int = SIDE) -> bytes:
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC).save(file, "PNG")
    return file.getvalue()


def folder_of(path: Path, count: int, side: int = SIDE) -> Path:
    for i in range(count):
        place = path / f"{i % 3}" / f"{i:05}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(encoded(i, side))
    return path


def tar_of(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def contents(target: Path) -> dict[str, bytes]:
    """Everything in a folder but the lock."""
    files = (path for path in target.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(target)): path.read_bytes() for path in files}


def manifest(target: Path) -> list[dict]:
    return [json.loads(line) for line in (target / "manifest.jsonl").read_text().splitlines()]


def transcoded(source, target, kind: str = "", size: int = 2, **options) -> list[dict]:
    return list(run(Job(str(source), str(target), Work(**options), kind, size), map_both))


def map_both(items, function):
    return map(function, items)


def test_a_folder(tmp_path):
    source, target = folder_of(tmp_path / "in", 5), tmp_path / "out"
    (source / "0" / "broken.png").write_bytes(b"no picture")
    (source / "notes.txt").write_text("not meant")
    facts = transcoded(source, target, quality=70)
    assert facts == manifest(target) and len(facts) == 6
    (failed,) = [fact for fact in facts if "error" in fact]
    assert failed["source"] == "0/broken.png" and "not a readable image" in failed["error"]
    for fact in facts:
        if fact is not failed:
            stream = (target / f"{fact['key']}.mcm").read_bytes()
            assert len(stream) == fact["bytes"] and fact["quality"] == 70
            picture = source / fact["source"]
            assert fact["source_bytes"] == picture.stat().st_size
            shown = psnr(read_image(picture)[0], mcm_fast.decompress(stream))
            assert fact["psnr"] == pytest.approx(shown, abs=0.01) and shown > 24
            assert mcm_fast.info(stream)["width"] == fact["width"] == SIDE
    assert sorted(p.name for p in target.rglob("*.mcm")) == [f"{i:05}.mcm" for i in range(5)]


def test_names_that_collide_keep_their_extension(tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("a.png", "a.webp", "b.png"):
        (tmp_path / "in" / name).write_bytes(encoded(0))
    keys = [key for piece in pieces_of(str(tmp_path / "in"), 9, "") for key, _ in piece.paths]
    assert keys == ["a.png", "a.webp", "b"]


def test_a_folder_to_shards(tmp_path):
    source = folder_of(tmp_path / "in", 5)
    transcoded(source, tmp_path / "tars", "tar", psnr=False)
    names = sorted(path.name for path in (tmp_path / "tars").glob("*.tar"))
    assert names == ["000000.tar", "000001.tar", "000002.tar"]
    keys = []
    for name in names:
        with tarfile.open(tmp_path / "tars" / name) as tar:
            keys += tar.getnames()
    assert sorted(keys) == sorted(f"{i % 3}/{i:05}.mcm" for i in range(5))
    assert "psnr" not in manifest(tmp_path / "tars")[0]


def test_tar_shards(tmp_path):
    (tmp_path / "in").mkdir()
    members = {"x/a.jpg": encoded(1), "x/a.cls": b"7", "x/b.cls": b"8", "x/c.png": encoded(2)}
    tar_of(tmp_path / "in" / "s-0.tar", members)
    whole = tar_of(tmp_path / "in" / "s-1.tar", {"d.png": encoded(3), "e.png": encoded(4)})
    whole.write_bytes(whole.read_bytes()[: 512 + 600])  # within the first picture
    transcoded(tmp_path / "in", tmp_path / "out")
    with tarfile.open(tmp_path / "out" / "s-0.tar") as tar:
        assert tar.getnames() == ["x/a.mcm", "x/a.cls", "x/c.mcm"]
        assert tar.extractfile("x/a.cls").read() == b"7"
    errors = {fact["key"]: fact.get("error", "") for fact in manifest(tmp_path / "out")}
    assert errors["x/b"] == "no picture in this sample" and errors["x/a"] == ""
    assert any(key.startswith(("s-1", "d")) and text for key, text in errors.items())


def test_parquet(tmp_path):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    (tmp_path / "in").mkdir()
    rows = [{"image": {"bytes": encoded(i), "path": f"{i}.png"}, "label": i} for i in range(3)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "in" / "train.parquet")
    transcoded(tmp_path / "in", tmp_path / "out")
    table = pq.read_table(tmp_path / "out" / "train.parquet")
    again = table.to_pylist()
    assert table.schema == pq.read_schema(tmp_path / "in" / "train.parquet")
    assert [row["label"] for row in again] == [0, 1, 2]
    assert all(row["image"]["bytes"][:4] == b"MCM\x1a" for row in again)
    transcoded(tmp_path / "in", tmp_path / "tars", "tar")
    with tarfile.open(tmp_path / "tars" / "train.tar") as tar:
        assert json.loads(tar.extractfile("train-00000001.json").read()) == {"label": 1}
    transcoded(folder_of(tmp_path / "f", 3), tmp_path / "pq", "parquet")
    assert pq.read_table(tmp_path / "pq" / "000000.parquet").column_names == ["__key__", "image"]
    with pytest.raises(ValueError, match="no column 'photo'"):
        list(run(Job(str(tmp_path / "in"), "x", Work(), column="photo"), map_both))


def test_what_is_refused(tmp_path):
    source, target = folder_of(tmp_path / "in", 3), tmp_path / "out"
    transcoded(source, target, quality=50)
    before = contents(target)
    assert transcoded(source, target, quality=50) == []  # nothing is left
    assert contents(target) == before
    with pytest.raises(ValueError, match="another job"):
        transcoded(source, target, quality=51)
    with pytest.raises(ValueError, match="not empty"):
        transcoded(source, source)
    (source / "more.png").write_bytes(encoded(9))
    with pytest.raises(ValueError, match="its source has changed"):
        transcoded(source, target, quality=50)
    with Job(str(source), str(tmp_path / "new"), Work()).opened():
        with pytest.raises(ValueError, match="another process"):
            transcoded(source, tmp_path / "new")
    with pytest.raises(FileNotFoundError):
        transcoded(tmp_path / "nowhere", target)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="neither pictures"):
        transcoded(tmp_path / "empty", target)


def test_a_job_that_ends_early_goes_on(tmp_path):
    source = folder_of(tmp_path / "in", 6)
    transcoded(source, tmp_path / "whole")
    job = Job(str(source), str(tmp_path / "out"), Work(), size=2)
    facts = run(job, map_both)
    for _ in range(4):
        next(facts)
    facts.close()
    assert not (tmp_path / "out" / "manifest.jsonl").exists()
    (tmp_path / "out" / f".{'0' * 32}.tmp").write_bytes(b"half a file")
    assert len(transcoded(source, tmp_path / "out")) < 6
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_the_command(tmp_path, capsys):
    source, target = folder_of(tmp_path / "in", 3), tmp_path / "out"
    assert main(["transcode", str(source), str(target), "--jobs", "1"]) == 0
    assert "3 done, 0 failed" in capsys.readouterr().err
    assert main(["transcode", str(source), str(target), "--jobs", "1"]) == 0
    assert "3 of 3 pictures are done" in capsys.readouterr().err
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.png").write_bytes(b"none")
    assert main(["transcode", str(tmp_path / "bad"), str(tmp_path / "o"), "--jobs", "1"]) == 2
    assert "1 failed" in capsys.readouterr().err
    for wrong in (["--quality", "101"], ["--model", "none"], ["--to", "zip"], ["--effort", "12"]):
        assert main(["transcode", str(source), str(tmp_path / "p"), *wrong]) == 2
    assert not (tmp_path / "p").exists()


def killed_at_random(source: Path, target: Path, kills: int, options: list[str]) -> None:
    """Run the command to its end, killed on the way `kills` times with all of its processes."""
    command = [sys.executable, "-m", "mcm_fast", "transcode", str(source), str(target), *options]
    generator = random.Random(kills)
    progress = 0
    for _ in range(kills):
        process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
        parts = target / "_transcode"
        while process.poll() is None and len(list(parts.glob("*.jsonl"))) <= progress:
            time.sleep(0.01)
        time.sleep(0.1 * generator.random())  # about a shard: the run must not come to its end
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        progress = len(list(parts.glob("*.jsonl")))
        assert not (target / "manifest.jsonl").exists()
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)


def test_killed_at_random(tmp_path):
    source = folder_of(tmp_path / "in", 200, side=64)
    options = ["--shard-size", "16", "--no-psnr"]
    killed_at_random(source, tmp_path / "out", 3, [*options, "--jobs", "1"])
    job = Job(str(source), str(tmp_path / "whole"), Work(psnr=False), size=16)
    assert len(list(run(job, map_both))) == 200
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


@pytest.mark.slow
def test_ten_thousand_killed_ten_times(tmp_path):
    source = folder_of(tmp_path / "in", 10_000, side=64)
    options = ["--shard-size", "64", "--jobs", "2"]
    killed_at_random(source, tmp_path / "out", 10, options)
    facts = manifest(tmp_path / "out")
    assert len({fact["key"] for fact in facts}) == len(facts) == 10_000
    killed_at_random(source, tmp_path / "whole", 0, options)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


@pytest.mark.slow
def test_ray_with_an_actor_killed(tmp_path):
    ray = pytest.importorskip("ray")
    from mcm_fast.transcoding.on_ray import run_on_ray

    source = folder_of(tmp_path / "in", 500, side=64)
    job = Job(str(source), str(tmp_path / "out"), Work(psnr=False), "tar", size=20)
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        count = 0
        for _ in run_on_ray(job):
            count += 1
            if count == 200:
                kill_an_actor()
    finally:
        ray.shutdown()
    keys = [fact["key"] for fact in manifest(tmp_path / "out")]
    assert count == len(keys) == len(set(keys)) == 500
    names = []
    for path in sorted((tmp_path / "out").glob("*.tar")):
        with tarfile.open(path) as tar:
            names += tar.getnames()
    assert len(names) == len(set(names)) == 500


def kill_an_actor() -> None:
    """One of this user's processes that Ray runs a `Worker` in."""
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            title = Path("/proc", entry, "cmdline").read_bytes()
        except OSError:
            continue
        if title.startswith(b"ray::Worker"):
            os.kill(int(entry), signal.SIGKILL)
            return
    raise AssertionError("no actor runs")


def test_samples_of_a_folder_without_a_file(tmp_path):
    source = folder_of(tmp_path / "in", 1)
    (piece,) = pieces_of(str(source), 9, "")
    (source / "0" / "00000.png").unlink()
    (sample,) = samples_of(str(source), piece)
    assert sample.error == "No such file or directory" and sample.data == b""
