"""The command line: `mcm-fast compress`, `decompress`, `info`, `eval`, `train` and `export`.

A command here only reads its arguments; torch is imported when one runs, so that `--help` is quick.
The last three live in `training` and keep to the same rule.
"""

import io
import json
import os
import sys
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated

import typer

from .limits import MAX_PIXELS
from .training.commands import export, train
from .training.evaluation_cli import evaluate

app = typer.Typer(
    help="A learned image codec, exact on every device.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

# What a user can cause, from a bad file to a missing extension. The rest are bugs: a traceback.
_EXPECTED = (ValueError, OSError, ImportError, RuntimeError, MemoryError)
_PIPE = "-"

Sources = Annotated[list[str], typer.Argument(metavar="IN", help="Files, a folder, or -")]
Destination = Annotated[str, typer.Argument(metavar="OUT", help="A file, a folder, or -")]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, ...")]
MaxPixels = Annotated[int, typer.Option(help="Refuse larger images.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite existing files.")]


@app.command()
def compress(
    sources: Sources,
    destination: Destination,
    quality: Annotated[float | None, typer.Option(help="0..100 [default: 50]")] = None,
    target_bpp: Annotated[float | None, typer.Option(help="Bits a pixel, not a quality.")] = None,
    model: Annotated[str, typer.Option(help="The model's name.")] = "small",
    device: Device = "cpu",
    background: Annotated[str | None, typer.Option(help="Colour behind transparency.")] = None,
    max_pixels: MaxPixels = MAX_PIXELS,
    force: Force = False,
) -> None:
    """Compress images to .mcm files."""
    aim = _aim(quality, target_bpp)
    import PIL.Image

    from mcm_fast import load
    from mcm_fast.images import is_image_name, read_image

    jobs = _jobs(sources, destination, ".mcm", is_image_name)
    PIL.Image.MAX_IMAGE_PIXELS = None  # --max-pixels decides alone
    codec = load(model, device=_usable(device), max_pixels=max_pixels)

    def job(source: str, target: str) -> None:
        _check_target(target, force)
        file = io.BytesIO(_read(source)) if source == _PIPE else source
        image, chunks = read_image(file, background, max_pixels)
        _write(target, codec.compress(image, chunks=chunks, **aim))

    _run(jobs, job)


@app.command()
def decompress(
    sources: Sources,
    destination: Destination,
    rendering: Annotated[str, typer.Option(help="faithful, or another of the model's.")] = (
        "faithful"
    ),
    device: Device = "cpu",
    max_pixels: MaxPixels = MAX_PIXELS,
    force: Force = False,
) -> None:
    """Decompress .mcm files to images.

    OUT's extension picks the format. Into a folder or - it is PNG.
    """
    import mcm_fast
    from mcm_fast.container import unpack
    from mcm_fast.images import format_of, write_image

    device = _usable(device)

    def job(source: str, target: str) -> None:
        _check_target(target, force)
        format = "PNG" if target == _PIPE else format_of(target)
        stream = _read(source)
        chunks = unpack(stream, max_pixels).chunks
        options = {"device": device, "rendering": rendering, "max_pixels": max_pixels}
        image = mcm_fast.decompress(stream, **options)
        write_image(image, sys.stdout.buffer if target == _PIPE else target, chunks, format)

    _run(_jobs(sources, destination, ".png", _is_stream_name), job)


@app.command()
def info(
    source: Annotated[str, typer.Argument(metavar="FILE", help="A .mcm file, or -")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Describe a .mcm file."""
    from mcm_fast import info as describe

    facts = _about(source, lambda: describe(_read(source)))
    if as_json:
        print(json.dumps(facts, indent=2))
        return
    for name, value in facts.items():
        if isinstance(value, dict):
            value = ", ".join(f"{key} {size}" for key, size in value.items()) or "none"
        elif value is None:
            value = "not installed"
        print(f"{name.replace('_', ' '):<14}{round(value, 4) if name == 'bpp' else value}")


app.command("eval")(evaluate)
app.command()(train)
app.command()(export)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0, 2 for an error told in a line on stderr, 130 for Ctrl-C."""
    try:
        code = app(arguments, prog_name="mcm-fast", standalone_mode=False) or 0
        if code == 130:
            _say("interrupted")
        return code
    except (KeyboardInterrupt, typer.Abort):  # older typers
        _say("interrupted")
        return 130
    except _EXPECTED as error:
        _say(_reason(error))
    except Exception as error:
        if not hasattr(error, "format_message"):  # click's, wherever this typer keeps its click
            raise
        _say(error.format_message())
    return 2


def _aim(quality: float | None, target_bpp: float | None) -> dict[str, float]:
    """Return the keyword for `Codec.compress`. Raises ValueError."""
    if quality is not None and target_bpp is not None:
        raise ValueError("--quality and --target-bpp exclude each other")
    if target_bpp is not None:
        if not 0 < target_bpp < float("inf"):
            raise ValueError(f"--target-bpp {target_bpp} is not above 0")
        return {"target_bpp": target_bpp}
    quality = 50.0 if quality is None else quality
    if not 0 <= quality <= 100:
        raise ValueError(f"--quality {quality} is not in 0..100")
    return {"quality": quality}


def _usable(device: str) -> str:
    """Return a device's name. Raises ValueError where torch would not know it or not reach it."""
    import torch

    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:  # torch without CUDA asserts
        raise ValueError(f"--device {device}: {_first_line(str(error))}") from error
    return device


def _jobs(
    sources: list[str], destination: str, suffix: str, is_meant: Callable[[Path], bool]
) -> list[tuple[str, str]]:
    """Return (source, target) pairs, without looking into any file.

    Several sources or a folder (of which the files that `is_meant` names are taken, not those of
    its subfolders) go to a folder, made if need be. Raises ValueError, OSError.
    """
    into_folder = os.path.isdir(destination) or destination.endswith(os.sep)
    if len(sources) == 1 and not os.path.isdir(sources[0]) and not into_folder:
        return [(sources[0], destination)]
    if destination == _PIPE or _PIPE in sources:
        raise ValueError("- is for one file in and one file out")
    targets: dict[str, str] = {}
    for source in _listed(sources, is_meant):
        target = os.path.join(destination, Path(source).stem + suffix)
        if target in targets:
            raise ValueError(f"{targets[target]} and {source} would both become {target}")
        targets[target] = source
    os.makedirs(destination, exist_ok=True)
    return [(source, target) for target, source in targets.items()]


def _listed(sources: list[str], is_meant: Callable[[Path], bool]) -> Iterable[str]:
    for source in sources:
        if not os.path.isdir(source):
            yield source
            continue
        names = sorted(p for p in Path(source).iterdir() if p.is_file() and is_meant(p))
        if not names:
            raise ValueError(f"{source}: nothing to do in this folder")
        yield from map(str, names)


def _run(jobs: list[tuple[str, str]], job: Callable[[str, str], None]) -> None:
    """Do every job, show progress where there are several, report those that failed at the end."""
    failures = []
    for source, target in _with_progress(jobs):
        try:
            _about(source, lambda s=source, t=target: job(s, t))
        except ValueError as error:
            failures.append(str(error))
    for failure in failures:
        _say(failure)
    if failures:
        raise typer.Exit(2)


def _about(source: str, action: Callable[[], object]) -> object:
    """Return what `action` returns; its errors and warnings name the file they are about."""
    name = "standard input" if source == _PIPE else source
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        try:
            result = action()
        except _EXPECTED as error:
            reason = _reason(error)
            raise ValueError(reason if reason.startswith(name) else f"{name}: {reason}") from error
    for warning in caught:
        if warning.category is UserWarning:
            _say(f"note: {name}: {_first_line(str(warning.message))}")
    return result


def _with_progress(jobs: list[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    if len(jobs) < 2:
        return jobs
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    return track(jobs, "mcm-fast", console=console, disable=not console.is_terminal, transient=True)


def _check_target(target: str, force: bool) -> None:
    if not force and target != _PIPE and os.path.isfile(target):
        raise FileExistsError(f"{target} exists: use --force to overwrite it")


def _is_stream_name(path: Path) -> bool:
    return path.suffix.lower() == ".mcm"


def _read(source: str) -> bytes:
    return sys.stdin.buffer.read() if source == _PIPE else Path(source).read_bytes()


def _write(target: str, data: bytes) -> None:
    from mcm_fast.images import write_file

    if target == _PIPE:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    else:
        write_file(target, data)


def _say(message: str) -> None:
    print(f"mcm-fast: {message}", file=sys.stderr)


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return _first_line(str(error)) or type(error).__name__


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]
