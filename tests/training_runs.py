"""What the tests of training share: tiny data, and short runs."""

import dataclasses
import io
import tarfile

import numpy as np
import pytest
import torch
from PIL import Image

from mcm_fast import model_file
from mcm_fast.cli.main import main
from mcm_fast.training.config import Options
from mcm_fast.training.loop import Trainer


def picture(seed, height=100, width=100):
    """A smooth random photograph, more or less: [H, W, 3] uint8."""
    rng = np.random.default_rng(seed)
    rough = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(rough).resize((width, height), Image.Resampling.BICUBIC))


def weights_after(options, **how):
    trainer = Trainer(options, **how)
    trainer.run()
    return trainer.step


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def second(options, **others):
    return dataclasses.replace(options, gan=0.001, parts=None, lr=1e-3, **others)


def run(*arguments):
    """A command of `mcm-fast` in this process."""
    assert main([str(a) for a in arguments]) == 0


TINY = ("--preset", "tiny", "--device", "cpu", "--crop", 64, "--tile", 96, "--batch", 2)


@pytest.fixture(scope="session")
def shard(tmp_path_factory):
    path = tmp_path_factory.mktemp("train") / "crops-0.tar"
    with tarfile.open(path, "w") as tar:
        for seed in range(12):
            buffer = io.BytesIO()
            Image.fromarray(picture(seed)).save(buffer, "PNG")
            info = tarfile.TarInfo(f"{seed:05d}.png")
            info.size = buffer.tell()
            buffer.seek(0)
            tar.addfile(info, buffer)
    return path


@pytest.fixture
def options(shard, tmp_path):
    return Options(
        preset="tiny", data=(shard,), out=tmp_path, crop=64, tile=96, batch=2, steps=6, warmup=2
    )


@pytest.fixture
def model(options, tmp_path):
    """A tiny model file, trained for a few steps."""
    path = tmp_path / "model.safetensors"
    model_file.save(weights_after(dataclasses.replace(options, out=tmp_path / "first")).ema, path)
    return path
