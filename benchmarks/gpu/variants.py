"""Other ways to run the same kernels. Where one of them is right and the usual way is not, its name
says what is at fault."""

from __future__ import annotations

import os

# name: what is at fault if this is right
VARIANTS = {
    "one stage": "pipelining: loads that are in flight while the loop goes on (num_stages)",
    "four warps": "layout: how a product lies among the warps (num_warps)",
    "unstaged": "staging: tables in shared memory",
    "blocking": "order: something is not waited for",
    "eager prelude": "capture: the graph of what comes before the first step",
    "loop": "capture: the graph of the steps",
    "eager synthesis": "capture: the synthesis' graph",
}
OF_TRITON = "one stage", "four warps", "blocking"
OF_CODER = "unstaged", "blocking"
OF_ENGINE = "eager prelude", "loop", *OF_TRITON, "unstaged"
OF_PICTURES = "eager synthesis", "blocking"


def apply(names: str | None) -> None:
    """Variants, with commas between them, in this process, before CUDA is first used."""
    for name in names.split(",") if names else ():
        _apply(name)


def _apply(name: str) -> None:
    if name == "blocking":
        os.environ["CUDA_LAUNCH_BLOCKING"] = "1"
    elif name in ("one stage", "four warps"):
        from mcm_fast.exact.cuda import launch
        from mcm_fast.kernels import gdn

        options = {"num_stages": 1} if name == "one stage" else {"num_warps": 4}
        context = launch.CONTEXT_STEP, launch.CONTEXT_LAZY, launch.CONTEXT_ALL
        for settings in (*context, launch.HYPER_LAYER, gdn.LAUNCH):
            settings.update(options)
    elif name == "unstaged":
        from mcm_fast.exact.extension import cuda_extension

        cuda_extension().use_shared_tables(False)
    elif name in ("loop", "eager prelude"):
        from mcm_fast.exact.cuda import graphs

        graphs.PRELUDE = False
        graphs.STEPS = graphs.STEPS and name != "loop"
    elif name == "eager synthesis":
        from mcm_fast.transforms import graphs

        graphs.SYNTHESIS = False
    else:
        raise SystemExit(f"no variant is called {name}")
