"""How each kernel is launched: `kernel[grid](*arguments, sizes=sizes, **CONTEXT_STEP)`.

TILE (or BLOCK) is what a program computes of its grid's first axis; the rest are Triton's own
options. With them no kernel of a preset keeps anything in local memory on sm_80 or sm_90
(`tests/test_kernels_build.py`). `maxnreg` says that more registers are welcome: left alone, ptxas
makes room for more blocks on a processor and spills.

With MCM_FAST_PDL=1 in the environment, from sm_90 on, steps of the wavefront are programmatic
dependent launches: a kernel begins while the one before it still runs, loads what no kernel of a
step writes (weights, tables, sizes), and then waits for it.
"""

from __future__ import annotations

import os

PDL = {"PDL": True, "launch_pdl": True}
# A step has few positions: the fewest that a product takes, and many threads to fetch weights.
CONTEXT_LAZY = {"TILE": 16, "num_warps": 8, "maxnreg": 255}
CONTEXT_STEP = {"TILE": 16, "num_warps": 8, "maxnreg": 255, "PDL": False}
CONTEXT_ALL = {"TILE": 16, "num_warps": 8, "maxnreg": 255}
HYPER_LAYER = {"TILE": 32, "num_warps": 4}
AFFINE_AT = {"BLOCK": 256, "num_warps": 4}
if os.environ.get("MCM_FAST_PDL") == "1":
    CONTEXT_STEP.update(PDL)
