"""Several processes."""

import csv
import dataclasses
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file
from training_runs import TINY

from mcm_fast.training import checkpoint, data
from mcm_fast.training.schedule import Phase
from mcm_fast.training.step import Step

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]

LEAVES = """
import pathlib
import torch
from mcm_fast.training.distributed import World, join, leave, total

world, _ = join("cpu")
import torch._dynamo  # as the first step of an optimiser does
module = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(3, 3))
module(torch.ones(2, 3)).sum().backward()
assert total(torch.ones(3), world).sum() == 6
del module
leave()
names = [path.read_text() for path in pathlib.Path("/proc/self/task").glob("*/comm")]
assert not [name for name in names if "gloo" in name], names
"""


def test_the_threads_of_a_group_end_with_it(tmp_path):
    """One that lives longer may abort the process at its end."""
    script = tmp_path / "leaves.py"
    script.write_text(LEAVES)
    done = subprocess.run([*TORCHRUN, script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_two_processes_take_the_step_of_one(options, shard, model, tmp_path):
    """Two processes with 2 crops each and one with the same 4; rounded, so without noise."""
    two = tmp_path / "two"
    arguments = "--steps", 1, "--quantize-steps", 1, "--warmup", 0, "--read-every", 1
    command = [*TORCHRUN, "-m", "mcm_fast", "train", shard, "--out", two]
    command += [*TINY, *arguments, "--init-from", model]
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("held out") == 1  # the first process alone speaks

    network = checkpoint.load_weights(model).train()
    step = Step(network, data.load(options).train, dataclasses.replace(options, batch=4))
    step.enter(Phase(quantized=True))
    samplers = [data.Sampler(options, len(step.tiles), 8, rank, 2) for rank in range(2)]
    plan = data.Plan(*(torch.cat(parts) for parts in zip(*(s(0) for s in samplers), strict=True)))
    step(plan, options.lr, 0.9)
    health, sums = step.read()
    (row,) = csv.DictReader((two / "log.csv").open())
    assert float(row["norm"]) == pytest.approx(health["norm"], rel=1e-3)
    assert float(row["loss"]) == pytest.approx(sums[:, 1].sum().item() / 4, rel=1e-4)
    ours, theirs = step.ema.state_dict(), load_file(two / checkpoint.WEIGHTS)
    base = checkpoint.load_weights(model).state_dict()
    moved = torch.cat([(ours[name] - base[name]).flatten() for name in base])
    apart = torch.cat([(ours[name] - theirs[name]).flatten() for name in base])
    assert apart.norm() < 0.05 * moved.norm()  # Adam's first step is a sign: it shows any noise
