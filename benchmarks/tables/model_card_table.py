"""The tables of results/model_card.json: `python -m benchmarks.tables.model_card_table [FILE.json]` writes FILE.md."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.circumstances import RESULTS

Section = Mapping[str, Any]


@dataclass(frozen=True)
class Measure:
    """A share, in which section of the results it stands, and its floor.

    Args:
        name: as readers see it.
        section: of results/model_card.json.
        key: of the estimate in it.
        floor: the share that is wanted at least; None where none was set.
        below, above: another key of the section, than which this share is to be lower or higher.
        points: the floor is one of percentage points.
    """

    name: str
    section: str
    key: str
    floor: float | None = None
    below: str | None = None
    above: str | None = None
    points: bool = False

    @property
    def wanted(self) -> str:
        """The floor in words, empty where there is none."""
        if self.floor is not None:
            return f"≥ {100 * self.floor:.0f} {'points' if self.points else '%'}"
        return "lower" if self.below else "higher" if self.above else ""

    def verdict(self, sections: Mapping[str, Section]) -> str:
        """`met`, `**missed**`, `equal` to what it is compared with, or nothing where no floor was set."""
        section = sections[self.section]
        if section.get(self.key) is None or not self.wanted:
            return ""
        mean = section[self.key]["mean"]
        if self.floor is not None:
            return met(mean >= self.floor)
        other = section[self.below or self.above or ""]["mean"]
        return "equal" if mean == other else met((mean < other) == (self.below is not None))


PROMPTS = (
    Measure("Genre as asked", "known", "genre", 0.92),
    Measure("Genre as asked, words held out of training", "held_out", "genre", 0.85),
    Measure("Drums, or none, as asked", "known", "drums", 0.97),
    Measure("Drums, or none, as asked, words held out", "held_out", "drums"),
    Measure("Family of the lead instrument as asked", "known", "lead", 0.75),
    Measure("Family of the lead instrument as asked, words held out", "held_out", "lead", 0.75),
    Measure("Sound quality as asked", "known", "quality"),
)
TEMPO = (
    Measure("Beat tracker", "known", "tempo_tracked", 0.75),
    Measure("Beat tracker, half and double tempo count", "known", "tempo_tracked_folded", 0.90),
    Measure("Beat tracker, words held out", "held_out", "tempo_tracked", 0.75),
    Measure("Beat tracker, words held out, half and double tempo count", "held_out", "tempo_tracked_folded", 0.90),
    Measure("Onsets (librosa), octave chosen by the judged genre", "known", "tempo", 0.75),
    Measure("Onsets alone", "known", "tempo_plain"),
    Measure("Onsets alone, half and double tempo count", "known", "tempo_folded", 0.90),
)
QUALITY = (
    Measure("Genre's name alone", "negative", "plain_without"),
    Measure('The same, negative prompt "low quality"', "negative", "plain_with", below="plain_without"),
    Measure('Genre and "low quality"', "negative", "degraded_prompt_without"),
    Measure(
        'The same, negative prompt "low quality"', "negative", "degraded_prompt_with", below="degraded_prompt_without"
    ),
    Measure('Genre and "high quality"', "quality", "prompt_high"),
    Measure('Genre and "low quality, muffled"', "quality", "prompt_low"),
    Measure("Difference of the last two", "quality", "prompt_gap", 0.60, points=True),
)
RANKING = (
    Measure("Genre as asked, best-ranked of four", "best_of", "genre_best", above="genre_average"),
    Measure("Genre as asked, average of the four", "best_of", "genre_average"),
    Measure("Lead as asked, best-ranked of four", "best_of", "lead_best", above="lead_average"),
    Measure("Lead as asked, average of the four", "best_of", "lead_average"),
)
GROUPS: Mapping[str, Sequence[Measure]] = {
    "What the prompt asked for": PROMPTS,
    "Tempo: a named BPM met within 4 %": TEMPO,
    "Share judged degraded": QUALITY,
    "Ranking: the best of four against their average": RANKING,
}
HEADLINES = (
    *PROMPTS[:3],
    PROMPTS[4],
    Measure("Named tempo met within 4 % (beat tracker)", "known", "tempo_tracked", 0.75),
)
"""The measures of the README, with the seconds a clip."""
NATS = (
    ("VAE alone", "log_mel_l1_vae", None),
    ("vocoder alone", "log_mel_l1_vocoder", None),
    ("VAE and vocoder", "log_mel_l1", 0.45),
)
WARM, COLD = 2.5, 9.0
"""Seconds that a clip and a whole command may take."""
STEP_COLUMNS = {
    "genre": "genre",
    "drums": "drums",
    "lead": "lead",
    "tempo": "tempo by onsets and genre",
    "tempo_tracked": "tempo by tracker",
}
COLUMNS = ("| measure | wanted | measured | result |", "|---|---|---|---|")


def met(condition: bool) -> str:
    return "met" if condition else "**missed**"


def percent(found: Section | None) -> str:
    """A share with its 95 % interval, such as "93.5 % (90.1 to 96.4), n 216"."""
    if not found:
        return "–"
    mean, low, high = (100 * found[key] for key in ("mean", "low", "high"))
    return f"{mean:.1f} % ({low:.1f} to {high:.1f}), n {found['n']}"


def table(results: Mapping[str, Any]) -> str:
    """The whole document in Markdown."""
    return f"# The shipped model, measured\n\n{body(results)}"


def headlines(results: Mapping[str, Any]) -> str:
    """The few measures that tell most, as one table."""
    sections: Mapping[str, Section] = results.get("sections", {})
    lines = [*COLUMNS, *_rows(HEADLINES, sections)]
    if "speed" in sections:
        lines.append(_warm(sections["speed"]))
    return "\n".join(lines) + "\n"


def body(results: Mapping[str, Any]) -> str:
    """The document without its heading: where the figures come from, then a table a group."""
    sections: Mapping[str, Section] = results.get("sections", {})
    lines = [*origin(results)]
    for title, measures in GROUPS.items():
        rows = _rows(measures, sections)
        if rows:
            lines += ["", f"## {title}", "", *COLUMNS, *rows]
    if "reconstruction" in sections:
        lines += _reconstruction(sections["reconstruction"])
    if "speed" in sections:
        lines += ["", "## Speed", "", *COLUMNS, *_speed(sections["speed"])]
    for name in ("steps", "guidance"):
        if name in sections:
            lines += _sweep(name, sections[name])
    return "\n".join(lines) + "\n"


def origin(results: Mapping[str, Any]) -> list[str]:
    """Model, machines, dates, and how often the judges themselves are right."""
    runs = [section["run"] for section in results.get("sections", {}).values()]
    if not runs:
        return ["Nothing measured yet."]
    models, machines = (", ".join(sorted({run[key] for run in runs})) for key in ("model", "hardware"))
    dates = sorted({run["date"] for run in runs})
    card = results.get("judges", {})
    held = ", ".join(f"{head} {100 * share:.1f} %" for head, share in card.get("held_out", {}).items())
    return [
        f"Model {models}; {' to '.join(dict.fromkeys([dates[0], dates[-1]]))}; {machines}.",
        "Each figure has its 95 % interval by bootstrap, and the number of clips n.",
        f"The judges themselves are right on {card.get('clips', {}).get('held_out', 0)} held-out clips: {held}.",
    ]


def _rows(measures: Sequence[Measure], sections: Mapping[str, Section]) -> list[str]:
    return [
        f"| {one.name} | {one.wanted} | {percent(sections[one.section].get(one.key))} | {one.verdict(sections)} |"
        for one in measures
        if one.section in sections
    ]


def _warm(speed: Section) -> str:
    name = f"Seconds for a clip of {speed['audio_s']} s, model loaded, two cores"
    return f"| {name} | ≤ {WARM:g} | {speed['warm_s']:.2f} | {met(speed['warm_s'] <= WARM)} |"


def _speed(speed: Section) -> list[str]:
    name = "Seconds of `musicldm generate` from start to file"
    return [_warm(speed), f"| {name} | ≤ {COLD:g} | {speed['cold_s']:.2f} | {met(speed['cold_s'] <= COLD)} |"]


def _reconstruction(found: Section) -> list[str]:
    title = f"VAE and vocoder on {found['clips']} held-out clips of the corpus"
    lines = ["", f"## {title}", "", *COLUMNS]
    for name, key, most in NATS:
        value = found[key]
        cells = ("", "") if most is None else (f"≤ {most:g}", met(value["mean"] <= most))
        interval = f"{value['low']:.3f} to {value['high']:.3f}"
        lines.append(f"| Log-mel L1 in nats, {name} | {cells[0]} | {value['mean']:.3f} ({interval}) | {cells[1]} |")
    for name, key in (("vocoder alone", "stft_vocoder"), ("VAE and vocoder", "stft")):
        value = found[key]
        for part in ("convergence", "log_magnitude"):
            words = part.replace("_", " ")
            lines.append(f"| Multi-resolution STFT, {words}, {name} | | {value[part]:.3f} | |")
    return [*lines, "", *_yardsticks(found)]


def _yardsticks(found: Section) -> list[str]:
    """What judges and tempo trackers find in the same clips, and after VAE and vocoder."""
    lines = ["The same clips by the judges and the tempo trackers, before and after VAE and vocoder:", ""]
    lines += ["| right | original | after VAE and vocoder |", "|---|---|---|"]
    for head, share in found["judges_real"].items():
        lines.append(f"| {head} | {100 * share:.1f} % | {100 * found['judges_reconstructed'][head]:.1f} % |")
    for name, key in (
        ("tempo by the beat tracker", "tempo_tracked"),
        ("the same, half and double count", "tempo_tracked_folded"),
        ("tempo by onsets and genre", "tempo"),
        ("tempo by onsets alone", "tempo_plain"),
        ("the same, half and double count", "tempo_folded"),
    ):
        cells = (percent(found[side][key]) for side in ("tracker_real", "tracker_reconstructed"))
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def _sweep(name: str, found: Section) -> list[str]:
    lines = ["", f"## {name.capitalize()}", ""]
    lines += [f"{found['prompts']} prompts, the same seeds in every row. The default is {found['default']:g}.", ""]
    lines += [f"| {name} | {' | '.join(STEP_COLUMNS.values())} | score |", "|---" * (len(STEP_COLUMNS) + 2) + "|"]
    for value, row in found["table"].items():
        cells = [f"{100 * row[key]['mean']:.1f} %" if row.get(key) else "–" for key in STEP_COLUMNS]
        score = f"{row['score']['mean']:.3f}" if row.get("score") else "–"
        lines.append(f"| {value} | {' | '.join(cells)} | {score} |")
    return lines


def write_table(results: Path) -> None:
    """Writes the tables beside the results."""
    text = table(json.loads(results.read_text(encoding="utf-8")))
    results.with_suffix(".md").write_text(text, encoding="utf-8")


def main() -> None:
    """Writes the tables of a file of results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, nargs="?", default=RESULTS / "model_card.json")
    write_table(parser.parse_args().results)


if __name__ == "__main__":
    main()
