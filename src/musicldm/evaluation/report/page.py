"""A report as one HTML page that loads nothing: tables, plots as SVG, players with the sound inside."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterator, Sequence
from pathlib import Path

from musicldm.audio.levels import normalise
from musicldm.audio.writing import encode
from musicldm.errors import DataError, InvalidInputError
from musicldm.evaluation.clips import Piece, find_music, load_piece
from musicldm.evaluation.figures.figure import Figure
from musicldm.evaluation.metrics.similarity import THRESHOLDS
from musicldm.evaluation.report.content import ClipLine, EvaluationReport
from musicldm.evaluation.report.plots import MINE, THEIRS, Histogram, histogram
from musicldm.evaluation.report.table import ARROWS, EMBEDDER_COLUMNS, embedder_row, interval, number
from musicldm.evaluation.training_set import music_of
from musicldm.listeners.embedders import Identity

PLAYERS = 5
"""Clips with a player at either end."""
_PLAYED_SECONDS = 12.0
_SECTIONS = {
    "quality": "How good",
    "prompts": "How true to the prompts",
    "novelty": "How new",
    "rhythm": "How steady",
    "sound": "The sound itself",
}
_SOUNDS = (
    ("loudness", "Loudness", "LUFS"),
    ("bandwidth", "Bandwidth", "Hz"),
    ("key_clarity", "Key clarity", "correlation"),
)
_STYLE = """
:root { color-scheme: light dark; --line: #8885; --soft: #8881; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1.5rem; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
small, .note { opacity: .75; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(20rem, 1fr)); gap: 1rem; }
.warning { border-left: 4px solid #c9803a; padding: .3rem .8rem; background: var(--soft); }
audio { width: 100%; min-width: 14rem; height: 2.2rem; }
h2 { margin-top: 2rem; }
.scroll { overflow-x: auto; }
"""


def page(report: EvaluationReport, training: Path | None = None) -> str:
    """The page of a report; sound is read from the folders again, for the few clips that can be played."""
    parts = [
        f"<h1>Evaluation of {_e(Path(report.generated.folder).name)}</h1>",
        *_summary(report),
        *_figure_tables(report.figures),
        *_plots(report),
        *_players(report, training),
        *_made_with(report),
        *_left_out(report),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Evaluation of {_e(report.generated.folder)}</title><style>{_STYLE}</style></head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def _e(text: object) -> str:
    return html.escape(str(text))


def _table(heads: Sequence[str], rows: Iterator[Sequence[str]] | Sequence[Sequence[str]]) -> str:
    """Cells are HTML; one that begins with "#" is a number and set flush right."""
    body = "".join(
        "<tr>"
        + "".join(f'<td class="number">{c[1:]}</td>' if c.startswith("#") else f"<td>{c}</td>" for c in row)
        + "</tr>"
        for row in rows
    )
    head = "".join(f"<th>{_e(title)}</th>" for title in heads)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _summary(report: EvaluationReport) -> Iterator[str]:
    made = report.generated
    text = f"{made.clips} clips, {made.hours:.2f} h, {made.prompts} with a known prompt"
    if report.reference is not None:
        text += (
            f"; reference {_e(report.reference.folder)}: {report.reference.clips} clips, {report.reference.hours:.2f} h"
        )
    if report.training is not None:
        text += f"; training set {_e(report.training)}"
    yield f"<p>{_e(made.folder)}: {text}. <small>musicldm {_e(report.musicldm)}, {_e(report.created)}</small></p>"
    yield from (f'<p class="warning">{_e(warning)}</p>' for warning in report.warnings)


def _figure_tables(figures: Sequence[Figure]) -> Iterator[str]:
    for section, title in _SECTIONS.items():
        rows = [_figure_row(figure) for figure in figures if figure.section == section]
        if rows:
            yield f"<h2>{title}</h2>"
            yield _table(("metric", "", "value", "95 % interval", "clips", "to compare with", "by"), rows)


def _figure_row(figure: Figure) -> list[str]:
    beside = "" if figure.beside is None else f"{number(figure.beside)} <small>{_e(figure.beside_what)}</small>"
    note = f'<br><small class="note">{_e(figure.note)}</small>' if figure.note else ""
    return [
        _e(figure.metric) + note,
        ARROWS[figure.better],
        "#" + _e(number(figure.estimate.mean, figure.unit)),
        "#" + _e(interval(figure)),
        f"#{figure.estimate.n}",
        beside,
        _e(figure.by),
    ]


def _plots(report: EvaluationReport) -> Iterator[str]:
    scores = [clip.clap_score for clip in report.clips if clip.clap_score is not None]
    near = [clip.similarity for clip in report.clips if clip.similarity is not None]
    plots = [
        Histogram("CLAP score", "cosine of prompt and sound", scores),
        Histogram("Similarity to the nearest training clip", "cosine", near, marks=THRESHOLDS if near else ()),
    ]
    for attribute, title, unit in _SOUNDS:
        mine = [getattr(clip.signal, attribute) for clip in report.clips if clip.signal is not None]
        theirs = [getattr(sound, attribute) for sound in report.reference_sounds]
        plots.append(Histogram(title, unit, mine, theirs))
    drawn = [svg for plot in plots if (svg := histogram(plot))]
    if drawn:
        legend = f'<span style="color:{MINE}">■</span> generated'
        legend += f' <span style="color:{THEIRS}">■</span> reference' if report.reference_sounds else ""
        yield f'<h2>Distributions</h2><p>{legend}</p><div class="plots">{"".join(drawn)}</div>'


def _players(report: EvaluationReport, training: Path | None) -> Iterator[str]:
    folder = Path(report.generated.folder)
    for title, clips in _groups(report.clips).items():
        rows = [[*_clip_cells(clip), _player(Piece(clip.name, folder, clip.row))] for clip in clips]
        yield f"<h2>{title}</h2>" + _table(("clip", "prompt", "score", ""), rows)
    near = sorted((clip for clip in report.clips if clip.similarity is not None), key=lambda clip: -_similarity(clip))
    if near and training is not None:
        rows = list(_near_rows(near[:PLAYERS], folder, training))
        yield "<h2>Nearest to the training set</h2>" + _table(("clip", "similarity", "", "training clip", ""), rows)


def _groups(clips: Sequence[ClipLine]) -> dict[str, Sequence[ClipLine]]:
    """Which clips have a player, by title."""
    ranked = sorted((clip for clip in clips if clip.clap_score is not None), key=lambda clip: -(clip.clap_score or 0))
    if len(ranked) > 2 * PLAYERS:
        return {"Best CLAP scores": ranked[:PLAYERS], "Worst CLAP scores": ranked[: -PLAYERS - 1 : -1]}
    return {"Clips": ranked or clips[: 2 * PLAYERS]}


def _similarity(clip: ClipLine) -> float:
    return clip.similarity or 0.0


def _clip_cells(clip: ClipLine) -> list[str]:
    return [_e(clip.name), _e(clip.prompt or ""), "#" + ("" if clip.clap_score is None else number(clip.clap_score))]


def _near_rows(near: Sequence[ClipLine], folder: Path, training: Path) -> Iterator[list[str]]:
    music = music_of(training)
    known = {} if music is None else {piece.name: piece for piece in find_music(music)}
    for clip in near:
        theirs = _player(known[clip.nearest]) if clip.nearest in known else ""
        mine = _player(Piece(clip.name, folder, clip.row))
        yield [_e(clip.name), f"#{_similarity(clip):.3f}", mine, _e(clip.nearest), theirs]


def _player(piece: Piece) -> str:
    """An `<audio>` element with the sound inside, as Ogg Vorbis; empty where it cannot be read any more."""
    try:
        wave, rate, _ = load_piece(piece, _PLAYED_SECONDS)
        sound = encode(normalise(wave, rate), rate, "ogg")
    except (DataError, InvalidInputError):
        return ""
    return f'<audio controls preload="none" src="data:audio/ogg;base64,{base64.b64encode(sound).decode()}"></audio>'


def _made_with(report: EvaluationReport) -> Iterator[str]:
    yield "<h2>Measured by</h2>"
    rows = [_embedder_cells(identity) for identity in report.embedders]
    yield _table(EMBEDDER_COLUMNS, rows)
    if report.judges is not None:
        yield from _judges_card(report)
    tracker = _e(report.beats or "none")
    yield f"<p>Of clips longer than {report.seconds:g} s only the middle is used. Beat tracker: {tracker}.</p>"
    named = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    yield f"<p><small>{_e(named)}</small></p>"


def _embedder_cells(identity: Identity) -> list[str]:
    name, weights, rate, resampler, width = map(_e, embedder_row(identity))
    return [name, f"<code>{weights}</code>", f"#{rate}", resampler, f"#{width}"]


def _judges_card(report: EvaluationReport) -> Iterator[str]:
    card = report.judges or {}
    tests = [(name, card[name]) for name in ("held_out", "held_out_reconstructed", "test") if name in card]
    heads = [head for head, value in (tests[0][1] if tests else {}).items() if isinstance(value, float)]
    yield f"<p>The judges' card: {_e(training_of_judges(card))}.</p>"
    rows = [[_e(name.replace("_", " ")), *(f"#{shares[head]:.3f}" for head in heads)] for name, shares in tests]
    yield _table(("right on", *heads), rows)


def training_of_judges(card: object) -> str:
    """One line: on how much the judges were trained, and whether with a codec's reconstructions."""
    content = card if isinstance(card, dict) else {}
    clips = content.get("clips", {}).get("train", "an unknown number of")
    coded = content.get("reconstructions", "held_out_reconstructed" in content)
    return f"trained on {clips} clips, {'with' if coded else 'without'} a codec's reconstructions among them"


def _left_out(report: EvaluationReport) -> Iterator[str]:
    if report.left_out:
        yield "<h2>Left out</h2>"
        yield _table(("file", "reason", ""), [(_e(p.file), _e(p.reason), _e(p.detail)) for p in report.left_out])
