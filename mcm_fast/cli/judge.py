"""The command `mcm-fast judge`. Torch is imported only to make a study: serving one is quick."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ..codec import Codec
    from ..evaluation.judge.contestants import Contestant
    from ..evaluation.judge.study import Study

_CODECS = ["mcm", "JPEG", "WebP", "AVIF"]


def judge(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="A folder of images, or a study made before.")
    ],
    codec: Annotated[
        list[str] | None,
        typer.Option(
            help="Once for each: mcm[:RENDERING][:effort=N], JPEG, WebP, AVIF, JXL, all with "
            "[:quality=Q | :bpp=R]; NAME=FOLDER of pictures made elsewhere. A codec without a rate "
            "gets the bytes of the first. Default: mcm, JPEG, WebP, AVIF."
        ),
    ] = None,
    bpp: Annotated[float, typer.Option(help="Bits per pixel of the first codec.")] = 0.2,
    out: Annotated[Path, typer.Option(help="The study: pictures, votes.")] = Path("judge"),
    votes: Annotated[int, typer.Option(min=1, help="Pairs that each person sees.")] = 42,
    seed: Annotated[int, typer.Option(help="Of orders and sides.")] = 0,
    question: Annotated[str | None, typer.Option(help="What people are asked.")] = None,
    model: Annotated[str, typer.Option(help="An installed model or a weights file.")] = "small",
    device: Annotated[str, typer.Option(help="cpu, cuda, ...")] = "cpu",
    lpips: Annotated[Path | None, typer.Option(help="LPIPS: the folder of its weights.")] = None,
    dists: Annotated[Path | None, typer.Option(help="DISTS: the folder of its weights.")] = None,
    pim: Annotated[Path | None, typer.Option(help="PIM: the folder of its weights.")] = None,
    ssimulacra2: Annotated[bool, typer.Option(help="Measure SSIMULACRA2.")] = False,
    host: Annotated[str, typer.Option(help="The address to serve at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: a free one.")] = 8300,
    export: Annotated[
        Path | None, typer.Option(help="Write votes.csv and the result there; serve nothing.")
    ] = None,
) -> None:
    """Let people compare codecs blindly on a local page; count their votes."""
    from ..evaluation.judge.study import FILE, QUESTION, Study

    if (folder / FILE).is_file():
        study = Study.load(folder)
    else:
        settings = {"votes": votes, "seed": seed, "question": question or QUESTION}
        weights = {"dists": dists, "pim": pim, "ssimulacra2": ssimulacra2}
        study = _prepare(
            folder, codec or _CODECS, out, bpp, model, device, lpips, weights, settings
        )
    if export is None:
        _serve(study, host, port)
    else:
        _export(study, export)


def _prepare(
    folder: Path,
    codecs: list[str],
    out: Path,
    bpp: float,
    model: str,
    device: str,
    lpips: Path | None,
    weights: dict[str, Path | bool | None],
    settings: dict[str, object],
) -> Study:
    from ..evaluation.anchors import image_paths
    from ..evaluation.extras import load_extras
    from ..evaluation.judge.contestants import parse_all
    from ..evaluation.judge.prepare import prepare
    from ..evaluation.measure import distortion
    from .eval import _bars, _metric

    contestants = parse_all(codecs)
    extras, available = load_extras(**weights, device=device)
    measure = partial(distortion, lpips=_metric(lpips, None, device), extras=extras)
    ours = _codec(contestants, model, device)
    with _bars() as bars:
        bar = bars.add_task("pictures", total=len(image_paths(folder)) * len(contestants))
        step = partial(bars.advance, bar)
        study = prepare(folder, contestants, out, ours, bpp, measure, step, **settings)
    for name, answer in available.items():
        print(f"{name}: available: {answer}")
    return study


def _codec(contestants: list[Contestant], model: str, device: str) -> Codec | None:
    from ..evaluation.judge.contestants import OURS
    from ..inputs import check_rendering
    from . import eval as eval_command

    mine = [c for c in contestants if c.kind == OURS]
    if not mine:
        return None
    codec = eval_command._codec(model, device, "faithful").codec
    for contestant in mine:
        check_rendering(contestant.rendering, codec.renderings)
    return codec


def _serve(study: Study, host: str, port: int) -> None:
    from ..evaluation.judge.server import Server

    server = Server(study, host, port)
    print(f"judge at {server.address}, result at {server.address}results (Ctrl-C ends)", flush=True)
    try:
        server.serve_forever()
    finally:
        server.server_close()


def _export(study: Study, folder: Path) -> None:
    from ..evaluation.judge.result import write_all

    votes = study.open_votes()
    try:
        print("written:", ", ".join(map(str, write_all(study, votes, folder))))
    finally:
        votes.close()
