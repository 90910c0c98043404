"""`musicldm evaluate`: how good, how true to its prompts and how new a folder of generated music is."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from musicldm.cli import options
from musicldm.cli.display import listening, say, show_table, silence_libraries

if TYPE_CHECKING:
    from musicldm.evaluation.report.content import EvaluationReport

_WHAT, _HOW = "What to compare with", "How to listen"
_Reference = Annotated[Path | None, typer.Option(help="Real music: gives distances.", rich_help_panel=_WHAT)]
_Training = Annotated[
    Path | None,
    typer.Option(
        help="What the model was trained on, or a novelty index of it (default: the shipped one): gives novelty.",
        metavar="DIR|INDEX|default",
        rich_help_panel=_WHAT,
    ),
]
_Prompts = Annotated[
    Path | None,
    typer.Option(
        help="A prompt a line in the files' order, or .jsonl with text and file_name.",
        rich_help_panel=_WHAT,
        show_default="those in the files or in metadata.jsonl",
    ),
]
_Judges = Annotated[
    Path | None, typer.Option(help="Verdicts on genre, …: default, or a folder of judges.", rich_help_panel=_WHAT)
]
_Embedder = Annotated[
    list[str] | None,
    typer.Option(
        help="default, a MusicLDM or CLAP (folder or hub id), judges, vggish:FILE, panns:FILE; may be given again.",
        rich_help_panel=_HOW,
        show_default="default",
    ),
]
_Beats = Annotated[str, typer.Option(metavar="auto|none|MODEL", help="Beat tracker.", rich_help_panel=_HOW)]
_Seconds = Annotated[float, typer.Option(help="Of a longer clip the middle is heard.", rich_help_panel=_HOW)]
_Device = Annotated[str, options.device(panel=_HOW)]
_Workers = Annotated[int, options.workers(panel=_HOW)]
_Engine = Annotated[str, options.engine(_HOW)]
_Address = Annotated[str | None, options.address(_HOW)]


def evaluate(
    gen: Annotated[Path, typer.Argument(metavar="GEN", help="Folder of generated music.")],
    reference: _Reference = None,
    training: _Training = None,
    prompts: _Prompts = None,
    judges: _Judges = None,
    out: Annotated[Path | None, typer.Option(help="Folder for report.json and report.html.")] = None,
    as_json: Annotated[bool, options.as_json("Print the report as JSON.")] = False,
    embedder: _Embedder = None,
    beats: _Beats = "auto",
    seconds: _Seconds = 30.0,
    device: _Device = "auto",
    workers: _Workers = 1,
    engine: _Engine = "local",
    address: _Address = None,
) -> None:
    """Measure generated music: quality, prompts, tempo, novelty."""
    from musicldm.evaluation.evaluate import Options
    from musicldm.evaluation.evaluate import evaluate as evaluate_folder
    from musicldm.machine.devices import choose_device
    from musicldm.machine.parallel import WorkerPool

    silence_libraries()
    wanted = Options(
        gen,
        reference,
        training,
        prompts,
        judges,
        tuple(embedder or ("default",)),
        beats,
        choose_device(device),
        seconds,
        WorkerPool(cast(Any, engine), workers, address),
    )
    with listening("Listening") as listen:
        report = evaluate_folder(wanted, listen)
    written = _write(report, out, training) if out is not None else []
    if as_json:
        print(report.to_json())
    else:
        _show(report)
    _say(report, written)


def _write(report: EvaluationReport, out: Path, training: Path | None) -> list[Path]:
    """report.json and report.html in a folder, both with the first number that neither has yet."""
    from itertools import count

    from musicldm.evaluation.report.page import page
    from musicldm.files import write_new

    out.mkdir(parents=True, exist_ok=True)
    stems = ("report" if number == 1 else f"report-{number}" for number in count(1))
    stem = next(stem for stem in stems if not any((out / f"{stem}.{ending}").exists() for ending in ("json", "html")))
    html = page(report, training).encode()
    written = [write_new(out, stem, "json", report.to_json().encode())]
    try:
        return [*written, write_new(out, stem, "html", html)]
    except BaseException:
        written[0].unlink()
        raise


def _show(report: EvaluationReport) -> None:
    from musicldm.evaluation.report.table import EMBEDDER_COLUMNS, FIGURE_COLUMNS, embedder_row, figure_row

    show_table(FIGURE_COLUMNS, list(map(figure_row, report.figures)), numbers=("value", "95 % interval", "n"))
    show_table(EMBEDDER_COLUMNS, list(map(embedder_row, report.embedders)), numbers=("Hz", "numbers"))


def _say(report: EvaluationReport, written: list[Path]) -> None:
    """What else is to be known, on standard error."""
    for warning in report.warnings:
        say(warning)
    shown = report.left_out[:5]
    for problem in shown:
        say(f"left out: {problem.file}: {problem.reason}: {problem.detail}")
    if len(report.left_out) > len(shown):
        reasons = ", ".join(f"{n} {reason}" for reason, n in sorted(Counter(p.reason for p in report.left_out).items()))
        say(f"left out: {reasons} in all")
    if written:
        say(f"written: {', '.join(map(str, written))}")
