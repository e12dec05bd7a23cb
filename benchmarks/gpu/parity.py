"""The ladder of parity: one kernel after the other, each against the CPU's engine, bit for bit.

    python parity.py CHECK [--model MODEL] [--variant VARIANT] [--dry-run]

A check that fails says where, and leaves both arrays beside its log (differences.py).
"""

from __future__ import annotations

import argparse

import variants
from dry import interpreted

SIZES = [(1, 1), (5, 7), (9, 30), (32, 48)]  # of y
SMALL = [(1, 1), (2, 5)]  # for the interpreter
QUALITY = 3333


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("check")
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--variant")
    parser.add_argument("--dry-run", action="store_true")
    arguments = parser.parse_args()
    variants.apply(arguments.variant)
    with interpreted(arguments.dry_run):
        from coder_checks import CODER_CHECKS
        from graph_checks import GRAPH_CHECKS
        from layer_checks import LAYER_CHECKS, Setup

        setup = Setup(arguments.model, "cpu" if arguments.dry_run else "cuda")
        setup.sizes = SMALL if arguments.dry_run else SIZES
        (CODER_CHECKS | LAYER_CHECKS | GRAPH_CHECKS)[arguments.check](setup)


if __name__ == "__main__":
    main()
