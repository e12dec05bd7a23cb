"""The command `mcm-fast transcode`: a data set of pictures becomes one of streams."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..limits import MAX_PIXELS
from .options import Device, Jobs, MaxPixels
from .pool import outcomes_of, processes_for
from .streams import say

if TYPE_CHECKING:
    from ..transcoding import Job

Facts = dict[str, Any]
_NAMED = 5  # as many failures are told
_FOLDER_SIZE = 64  # pictures that are put away at once where each becomes a file

Source = Annotated[str, typer.Argument(metavar="IN", help="A folder of pictures or shards.")]
Target = Annotated[str, typer.Argument(metavar="OUT", help="A folder: new, or of the same job.")]
To = Annotated[str, typer.Option(help="folder, tar or parquet [default: what IN holds]")]
ShardSize = Annotated[int, typer.Option(help="Pictures a shard, out of a folder.")]
Column = Annotated[str, typer.Option(help="The pictures' column in parquet.")]
Psnr = Annotated[bool, typer.Option(help="Decode every stream again, for the manifest.")]
Ray = Annotated[str, typer.Option(help="A cluster's address, auto, or local, in place of --jobs.")]


def transcode(
    source: Source,
    target: Target,
    to: To = "",
    quality: Annotated[float | None, typer.Option(help="0..100 [default: 50]")] = None,
    target_bpp: Annotated[float | None, typer.Option(help="Bits a pixel; not a quality.")] = None,
    effort: Annotated[int, typer.Option(help="0..9, time for better streams.")] = 0,
    model: Annotated[str, typer.Option(help="A model's name or file.")] = "small",
    device: Device = "cpu",
    shard_size: ShardSize = 1000,
    column: Column = "image",
    psnr: Psnr = True,
    jobs: Jobs = 0,
    ray: Ray = "",
    max_pixels: MaxPixels = MAX_PIXELS,
) -> None:
    """Make a data set of pictures one of .mcm streams, and OUT/manifest.jsonl.

    In and out: a folder, tar shards (WebDataset) or parquet. Run it again after it was stopped, and
    it goes on. Samples whose picture fails are left out; the manifest says why.
    """
    import PIL.Image

    import mcm_fast

    from ..inputs import check_aim, check_effort
    from ..transcoding import Job, Work

    PIL.Image.MAX_IMAGE_PIXELS = None  # --max-pixels decides alone
    check_aim(quality, target_bpp)
    check_effort(effort, None)
    work = Work(quality, target_bpp, effort, model, device, psnr, max_pixels)
    job = Job(source, target, work, to, shard_size, column)
    if job.target_kind == "folder":
        job = replace(job, size=min(shard_size, _FOLDER_SIZE))
    # What is wrong with the model is said once, before any picture fails for it.
    mcm_fast.load(model, "cpu" if ray else device, max_pixels=max_pixels)
    total = sum(piece.pictures for piece in job.pieces)
    left = sum(piece.pictures for piece in job.left)
    if left < total:
        say(f"{total - left} of {total} pictures are done")
    _tell(_with_progress(_facts(job, jobs, left, ray), total, total - left), job)


def _facts(job: Job, jobs: int, left: int, address: str) -> Iterator[Facts]:
    from ..transcoding import run

    if not address:
        processes = processes_for(jobs, left, job.work.device)
        return run(job, lambda items, work: outcomes_of(items, work, processes))
    try:
        import ray
    except ImportError as error:
        raise ImportError("--ray needs Ray: pip install 'mcm-fast[ray]'") from error
    from ..transcoding.on_ray import run_on_ray

    if address == "local":
        ray.init(include_dashboard=False, log_to_driver=False)
    else:
        ray.init(address, log_to_driver=False)
    return run_on_ray(job, jobs)


def _with_progress(facts: Iterator[Facts], total: int, before: int) -> Iterator[Facts]:
    """With pictures a second and the time that is left, at a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Left

    console = Console(stderr=True)
    columns = BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"), Left()
    hidden = not console.is_terminal
    start = time.monotonic()
    with Progress(*columns, console=console, disable=hidden, transient=True) as progress:
        task = progress.add_task("mcm-fast", total=total, completed=before, rate="")
        for count, fact in enumerate(facts, 1):
            rate = f"{count / max(time.monotonic() - start, 1e-9):.1f} images/s"
            progress.update(task, advance=1, rate=rate)
            yield fact


def _tell(facts: Iterator[Facts], job: Job) -> None:
    """The summary. Raises typer.Exit with code 2 if a picture failed."""
    start, done, failures, sizes = time.monotonic(), 0, [], [0, 0]
    for fact in facts:
        if "error" in fact:
            failures.append(f"{fact['source']}: {fact['key']}: {fact['error']}")
            continue
        done += 1
        sizes = [sizes[0] + fact["source_bytes"], sizes[1] + fact["bytes"]]
    for line in failures[:_NAMED]:
        say(line)
    if len(failures) > _NAMED:
        say(f"and {len(failures) - _NAMED} more: {job.target}/manifest.jsonl")
    rate = done / max(time.monotonic() - start, 1e-9)
    say(f"{done} done, {len(failures)} failed; {sizes[0]} -> {sizes[1]} bytes; {rate:.1f} images/s")
    if failures:
        raise typer.Exit(2)
