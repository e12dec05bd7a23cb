"""Programmatic dependent launches: there with the switch on, and only there. No GPU is asked."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from cuda_engines import assert_decoded, items_like
from test_cuda_build import NVCC
from test_kernels_build import compiling

pytest.importorskip("triton")

ROOT = Path(__file__).parents[1]
WAIT, LET_GO = "griddepcontrol.wait", "griddepcontrol.launch_dependents"
STEP = {False: 896, True: 918}  # instructions of context_step with `small`, at most
# In a process of its own: in this one the kernels belong to the interpreter.
COMPILED = """
import json, sys, kernel_builds
from machine_code import disassembled
from mcm_fast.exact.cuda import launch
found = []
for machine, early in ((90, False), (90, True), (80, False)):
    if early:
        launch.CONTEXT_STEP.update(launch.PDL)
    presets = ("small", "base") if early else ("small",)
    kernels = ((p, *kernel) for p in presets for kernel in kernel_builds.kernels(p))
    for preset, name, kernel, types, settings in kernels:
        if name in ("context_lazy", "context_step"):
            built = kernel_builds.build(kernel, types, settings, machine)
            ((_, code),) = disassembled(built.asm["cubin"]).items()
            usage, text = kernel_builds.usage(built), [line for _, line in code]
            row = machine, early, preset, name, built.asm["ptx"], text
            row = *row, usage["LOCAL"] + usage["STACK"]
            found.append((*row, built.metadata.launch_pdl))
    launch.CONTEXT_STEP.update(PDL=False, launch_pdl=False)
print(json.dumps(found))
"""


def test_the_context_step():
    """Weights are loaded before the wait, all that a step writes behind it."""
    command = [sys.executable, "-c", COMPILED]
    environment = compiling(Path(__file__).parent)
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    for machine, early, preset, name, ptx, code, local, launched in json.loads(run.stdout):
        dependent = early and name == "context_step"
        case = machine, early, preset, name
        assert (WAIT in ptx, LET_GO in ptx, launched) == 3 * (dependent,), case
        assert local == 0, case
        if machine == 90 and (preset, name) == ("small", "context_step"):
            end = max(i for i, line in enumerate(code) if line.startswith("EXIT")) + 1
            print(*case, end, "instructions")
            assert end <= STEP[early], case
        if dependent:
            at = [i for i, line in enumerate(code) if "ACQBULK" in line]
            loads = [i for i, line in enumerate(code) if re.search(r"\bLDG", line)]
            assert len(at) == 1 and sum(i < at[0] for i in loads) >= 20
            first = min(i for i, line in enumerate(code) if re.search(r"\b(STG|EXIT)", line))
            assert at[0] < first, case


@pytest.mark.skipif(not NVCC, reason="needs nvcc, on PATH or named in NVCC")
@pytest.mark.parametrize("machine", [80, 90])
def test_the_coder(machine, tmp_path):
    flags = ["-ptx", f"-arch=compute_{machine}", "-O3", "-std=c++17", "--expt-relaxed-constexpr"]
    source, out = str(ROOT / "csrc" / "cuda" / "warp.cu"), tmp_path / "warp.ptx"
    subprocess.run([NVCC, *flags, "-o", str(out), source], check=True)
    kernels = re.split(r"\.entry ", out.read_text())[1:]
    found = {kernel.split("(")[0]: (WAIT in kernel, LET_GO in kernel) for kernel in kernels}
    early = [name for name, there in found.items() if there == (True, True)]
    assert all("decode_step" in name and "ELb1EEE" in name for name in early)
    assert len(early) == (2 if machine == 90 else 0) and (True, False) not in found.values()


@pytest.mark.parametrize(("value", "there"), [("1", True), ("0", False), (None, False)])
def test_the_switch(value, there):
    environment = {name: text for name, text in os.environ.items() if name != "MCM_FAST_PDL"}
    environment |= {} if value is None else {"MCM_FAST_PDL": value}
    code = "from mcm_fast.exact.cuda.launch import CONTEXT_STEP as c; print(c['PDL'], len(c))"
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert run.stdout.split() == [str(there), "5" if there else "4"], run.stderr


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
@pytest.mark.usefixtures("interpreted")
def test_what_a_step_writes_is_read_behind_the_wait(codec, monkeypatch):
    """From a program's beginning to its wait all of that holds something else."""
    from mcm_fast.exact.cuda.batch import Batch
    from mcm_fast.exact.cuda.engine import CudaEngine
    from mcm_fast.exact.cuda.launch import CONTEXT_STEP, PDL
    from mcm_fast.kernels import step

    engine, held = CudaEngine(codec.integers, "cpu"), []
    wavefront = engine._decoder._wavefront(Batch(codec.integers, [(1, 2, 5000)], 1), 1)
    y, _, mu, indexes = wavefront.arrays
    written = [y, mu, indexes, *wavefront.picks, wavefront.sums, wavefront.coming]
    written += [wavefront.y, wavefront.coder["t"], wavefront.coder["visit"]]

    def begin():
        held.append([tensor.clone() for tensor in written])
        for tensor in written:
            tensor.view(-1).view(torch.uint8).fill_(0x55)

    def wait():
        for tensor, value in zip(written, held[-1], strict=True):
            tensor.copy_(value)

    monkeypatch.setattr(step, "gdc_launch_dependents", begin)
    monkeypatch.setattr(step, "gdc_wait", wait)
    for name, value in PDL.items():
        monkeypatch.setitem(CONTEXT_STEP, name, value)
    (item,) = items_like(codec, (1, 2, 2.0, 5000))
    [(coded, parameters)] = codec.engine.encode([item])
    assert_decoded(engine.decode([(coded, 1, 2, 5000)]), [item], [parameters])
    assert list(engine._decoder._kept.values()) == [wavefront] and held


def test_where_there_are_none(monkeypatch):
    from mcm_fast.exact.cuda import device

    switched = []
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (8, 0))
    module = type("Module", (), {"use_dependent_launches": staticmethod(switched.append)})
    monkeypatch.setattr(device, "cuda_extension", lambda: module)
    with pytest.raises(ValueError, match="MCM_FAST_PDL=1"):
        device.use_dependent_launches(torch.device("cuda"), True)
    device.use_dependent_launches(torch.device("cuda"), False)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (9, 0))
    device.use_dependent_launches(torch.device("cuda"), True)
    device.use_dependent_launches(torch.device("cpu"), True)
    assert switched == [False, True]
