"""The command `mcm-fast eval`. Torch and the rest are imported when it runs: `--help` is quick."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.progress import Progress

    from ..codec import Codec
    from ..evaluation.bd_rate import Curve
    from ..evaluation.html_report import Coder
    from ..evaluation.lpips import LPIPS
    from ..evaluation.measure import Rendered, Result
    from ..network.model import Network

_QUALITIES = "0,10,20,30,40,50,60,70,80,90,100"


Out = Annotated[Path, typer.Option(help="The folder for JSON, CSV, tables, plot.")]
Anchors = Annotated[
    str, typer.Option(help="Codecs of Pillow to measure beside it; empty for none.")
]
Curves = Annotated[
    list[Path] | None, typer.Option(help="JSON with more curves: published, or of an eval.")
]
LpipsBackbone = Annotated[
    Path | None,
    typer.Option("--lpips-backbone", "--lpips", help="LPIPS: its file, or a folder of both."),
]
FloatWeights = Annotated[
    Path | None, typer.Option(help="Compare with the rates that a float network estimates.")
]
Rendering = Annotated[str, typer.Option(help="faithful, or another of the model's.")]
Html = Annotated[bool, typer.Option("--html", help="Write report.html and images/ too.")]


def evaluate(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of images.")],
    model: Annotated[str, typer.Option(help="An installed model or a weights file.")] = "small",
    qualities: Annotated[str, typer.Option(help="Numbers in 0..100.")] = _QUALITIES,
    out: Out = Path("eval"),
    device: Annotated[str, typer.Option(help="cpu, cuda, ...")] = "cpu",
    anchors: Anchors = "JPEG,WebP,AVIF",
    curves: Curves = None,
    lpips_backbone: LpipsBackbone = None,
    lpips_heads: Annotated[Path | None, typer.Option(help="LPIPS: the linear heads.")] = None,
    float_weights: FloatWeights = None,
    rendering: Rendering = "faithful",
    label: Annotated[str | None, typer.Option(help="What tables and plot call it.")] = None,
    html: Html = False,
    html_bpp: Annotated[float, typer.Option(help="The rate of the report's crops.")] = 0.25,
    dists: Annotated[Path | None, typer.Option(help="DISTS: the folder of its weights.")] = None,
    pim: Annotated[Path | None, typer.Option(help="PIM: the folder of its weights.")] = None,
    ssimulacra2: Annotated[bool, typer.Option(help="Measure SSIMULACRA2.")] = False,
) -> None:
    """Measure rate and distortion over a folder: table, JSON, CSV, plot beside the anchors."""
    from ..evaluation import report
    from ..evaluation.extras import load_extras
    from ..evaluation.html_report import at_equal_bytes
    from ..evaluation.measure import distortion, evaluate
    from ..evaluation.metrics import need

    for package in ("scipy", "matplotlib", "pytorch_msssim"):
        need(package)  # now, not after minutes of work
    numbers = _numbers(qualities)
    label = label or f"mcm_fast {Path(model).stem}" + f" {rendering}" * (rendering != "faithful")
    others = _others(curves or [], label)
    codec, network = _codec(model, device, rendering), _network(float_weights, device)
    metric = _metric(lpips_backbone, lpips_heads, device)
    extras, available = load_extras(dists, pim, ssimulacra2, device)
    run = partial(evaluate, extras=extras)
    out.mkdir(parents=True, exist_ok=True)
    with _bars() as bars:
        result = _run(run, codec, folder, numbers, metric, label, bars)
        if network is not None:
            result.anchors |= _float_curves(network, codec.codec, folder, numbers, metric, bars)
        result.anchors |= _measured(folder, anchors, out / "anchors.json", bars)
    result.anchors |= {name: c for name, c in others.items() if name not in result.anchors}
    result.about["metrics"] = available
    written = report.write_all(result, out)
    if html:
        measure = partial(distortion, lpips=metric, extras=extras)
        coder = at_equal_bytes(codec, label, anchors.split(","), html_bpp, measure)
        written.append(_html(result, folder, out, coder, available))
    report.show(result)
    print("written:", ", ".join(map(str, written)))


def _html(result: Result, folder: Path, out: Path, coder: Coder, available: dict[str, str]) -> Path:
    from ..evaluation.anchors import image_paths
    from ..evaluation.html_report import write_html

    with _bars() as bars:
        bar = bars.add_task("pages", total=len(image_paths(folder)))
        return write_html(result, folder, out, coder, available, partial(bars.advance, bar))


def _float_curves(
    network: Network,
    codec: Codec,
    folder: Path,
    numbers: list[float],
    metric: LPIPS | None,
    bars: Progress,
) -> dict[str, Curve]:
    """What the float network estimates, bare and with the bytes of the codec's containers."""
    from ..evaluation.float_network import evaluate_float, in_container

    function = partial(evaluate_float, codec=codec)
    estimate = _run(function, network, folder, numbers, metric, "float network", bars)
    return {
        estimate.label: estimate.curve,
        f"{estimate.label}, in our container": in_container(estimate),
    }


def _run(
    function: Callable[..., Result],
    subject: Rendered | Network,
    folder: Path,
    points: list[float],
    metric: LPIPS | None,
    label: str,
    bars: Progress,
) -> Result:
    """`evaluate` or `evaluate_float` with a progress bar."""
    from ..evaluation.anchors import image_paths

    bar = bars.add_task(label, total=len(image_paths(folder)) * len(points))
    step = partial(bars.advance, bar)
    return function(subject, folder, points, metric, label=label, step=step)


def _numbers(text: str) -> list[float]:
    """Distinct numbers in rising order. Raises ValueError."""
    try:
        numbers = sorted({float(part) for part in text.split(",")})
    except ValueError as error:
        raise ValueError(f"--qualities {text!r} is not a list of numbers with commas") from error
    if not 0 <= numbers[0] <= numbers[-1] <= 100:
        raise ValueError(f"--qualities {text!r} is not within 0..100")
    return numbers


def _codec(model: str, device: str, rendering: str) -> Rendered:
    from ..api import load
    from ..evaluation.measure import Rendered
    from ..inputs import check_rendering

    codec = load(model, device)
    check_rendering(rendering, codec.renderings)
    return Rendered(codec, rendering)


def _network(weights: Path | None, device: str) -> Network | None:
    """The float network of a model file (whose floats are rounded to fp16) or of a training run."""
    if weights is None:
        return None
    from ..training.checkpoint import load_weights

    return load_weights(weights).to(device)


def _metric(backbone: Path | None, heads: Path | None, device: str) -> LPIPS | None:
    if backbone is None:
        if heads is not None:
            raise ValueError("--lpips-heads needs --lpips-backbone")
        return None
    from ..evaluation.lpips import LPIPS

    return LPIPS(backbone, heads).to(device)


def _others(paths: list[Path], label: str) -> dict[str, Curve]:
    """Curves of JSON files; one named like an earlier one is renamed by its file, or dropped."""
    from ..evaluation.anchors import load_curves

    found: dict[str, Curve] = {}
    for path in paths:
        for name, curve in load_curves(path).items():
            if name == label or (name in found and found[name] != curve):
                name = f"{name} ({path.stem})"
            found[name] = curve
    return found


def _measured(folder: Path, names: str, cache: Path, bars: Progress) -> dict[str, Curve]:
    """The anchors that Pillow makes, kept in `cache`."""
    from ..evaluation.anchors import is_available, measure, steps

    wanted = [name for name in names.split(",") if name]
    total = steps(folder, wanted)
    for name in wanted:
        if not is_available(name):
            print(f"mcm-fast: this Pillow has no {name}, it is left out", file=sys.stderr)
    bar = bars.add_task("anchors", total=total)
    curves = measure(folder, wanted, cache, lambda: bars.advance(bar))
    bars.update(bar, completed=total)
    return curves


def _bars() -> Progress:
    """Progress bars on standard error, where that is a terminal."""
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress

    console = Console(stderr=True)
    columns = *Progress.get_default_columns(), MofNCompleteColumn()
    return Progress(*columns, console=console, disable=not console.is_terminal)
