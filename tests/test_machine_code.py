"""Instruction budgets of the two loops that decoding waits for, in machine code for sm_90.

A budget says nothing about speed on a device; it keeps what was won by reading machine code.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from machine_code import count, disassembled, loads_in_a_row, loops
from test_cuda_build import NVCC

pytest.importorskip("triton")

ROOT = Path(__file__).parents[1]
ROUND, CHUNK = 90, 100  # instructions at most
# In a process of its own: in this one the kernels belong to the interpreter.
CONTEXT_LAZY = """
import sys, kernel_builds
for name, kernel, types, settings in kernel_builds.kernels(sys.argv[1]):
    if name == "context_lazy":
        built = kernel_builds.build(kernel, types, settings, 90)
        sys.stdout.buffer.write(built.asm["cubin"])
"""


@pytest.mark.skipif(not NVCC, reason="needs nvcc, on PATH or named in NVCC")
def test_a_round_of_the_coder(tmp_path):
    """Three loads from shared memory that wait for each other, and little else."""
    cubin = tmp_path / "warp.cubin"
    flags = ["-cubin", "-arch=sm_90", "-O3", "-std=c++17", "--expt-relaxed-constexpr"]
    source = str(ROOT / "csrc" / "cuda" / "warp.cu")
    subprocess.run([NVCC, *flags, "-o", str(cubin), source], check=True)
    steps = "decode_step_kernelILb1ELb0", "decode_step_kernelILb1ELb1"
    for kernel in (*steps, "decode_z_kernelILb1"):
        (code,) = (c for name, c in disassembled(cubin.read_bytes()).items() if kernel in name)
        ways = (way for way in loops(code) if count(way, "LDS.U16") > 4 and count(way, "POPC"))
        way = min(ways, key=len)
        print(kernel, len(way), "instructions a round")
        assert len(way) <= ROUND and loads_in_a_row(way) <= 3, "\n".join(way)
        assert not count(way, "S2") and not count(way, "LDG") and not count(way, "LDL")
        text = [line for _, line in code]
        assert ("ACQBULK" in text) == (kernel == steps[1])
        if "ACQBULK" in text:  # a dependent launch: before its wait it copies tables, no more
            before = text[: text.index("ACQBULK")]
            assert count(before, "LDGSTS") and not count(before, "LDG.") and not count(before, "ST")


@pytest.mark.parametrize("preset", ["small", "base"])
def test_a_chunk_of_the_lazy_sums(preset):
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    environment |= {"TRITON_DEFAULT_FP_FUSION": "1", "PYTHONPATH": str(Path(__file__).parent)}
    command = [sys.executable, "-c", CONTEXT_LAZY, preset]
    cubin = subprocess.run(command, env=environment, capture_output=True, check=True).stdout
    ((_, code),) = disassembled(cubin).items()
    chunks = [way for way in loops(code) if count(way, "IMMA")]
    print(preset, json.dumps([len(way) for way in chunks]), "instructions a chunk")
    assert len(chunks) >= 2 and max(map(len, chunks)) <= CHUNK
    for way in chunks:
        assert count(way, "LDGSTS") and not count(way, "LDL") and not count(way, "LDG.")


def test_a_way_leaves_out_what_is_rare():
    """On code written for this test: a loop with a rare part behind a branch."""
    text = """
        /*0000*/ MOV R1, c[0x0][0x28] ;
        /*0010*/ LDS.U16 R2, [R1] ;
        /*0020*/ LDS.U16 R3, [R2+0x4] ;
        /*0030*/ ISETP.GE.AND P0, PT, R3, R4, PT ;
        /*0040*/ @P0 BRA 0x80 ;
        /*0050*/ IADD3 R1, R3, 0x1, RZ ;
        /*0060*/ @!P1 BRA 0x10 ;
        /*0070*/ EXIT ;
        /*0080*/ LDS R5, [R3] ;
        /*0090*/ LDS R5, [R5] ;
        /*00a0*/ BRA 0x50 ;
    """
    from machine_code import _LINE

    code = [(int(at, 16), line.strip()) for at, line in _LINE.findall(text)]
    way = min(loops(code), key=len)
    assert len(way) == 6 and loads_in_a_row(way) == 2 and count(way, "LDS") == 2
