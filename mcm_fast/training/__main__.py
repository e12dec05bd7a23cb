"""`python -m mcm_fast.training`: the same command as `mcm-fast train`."""

import typer

from .commands import train

if __name__ == "__main__":
    typer.run(train)
