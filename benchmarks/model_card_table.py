"""The table of results/model_card.json: `python benchmarks/model_card_table.py [FILE.json]` writes FILE.md."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Section = Mapping[str, Any]
ROWS = (
    ("Genre right, known expressions", "known", "genre", "≥ 92 %"),
    ("Genre right, held-out expressions", "held_out", "genre", "≥ 85 %"),
    ("Drums present or absent as asked", "known", "drums", "≥ 97 %"),
    ("Lead family as asked", "known", "lead", "≥ 75 %"),
    ("Lead family as asked, held-out expressions", "held_out", "lead", "≥ 75 %"),
    ("Named BPM within 4 %, by onsets and the genre heard", "known", "tempo", "≥ 75 %"),
    ("Named BPM within 4 %, by onsets alone", "known", "tempo_plain", ""),
    ("Named BPM within 4 %, by onsets alone, octaves folded", "known", "tempo_folded", "≥ 90 %"),
    ("Named BPM within 4 %, by the beat tracker", "known", "tempo_tracked", "≥ 75 %"),
    ("Named BPM within 4 %, by the beat tracker, octaves folded", "known", "tempo_tracked_folded", "≥ 90 %"),
    ("Named BPM within 4 %, by the beat tracker, held-out expressions", "held_out", "tempo_tracked", "≥ 75 %"),
    ("The same, octaves folded", "held_out", "tempo_tracked_folded", "≥ 90 %"),
    ("Quality as asked", "known", "quality", ""),
    ("Judged degraded, no negative prompt", "negative", "plain_without", ""),
    ('Judged degraded, negative prompt "low quality"', "negative", "plain_with", "lower"),
    ('Asked for "low quality", no negative prompt', "negative", "degraded_prompt_without", ""),
    ('Asked for "low quality", negative prompt "low quality"', "negative", "degraded_prompt_with", "lower"),
    ('Judged degraded, prompt "high quality"', "quality", "prompt_high", ""),
    ('Judged degraded, prompt "low quality, muffled"', "quality", "prompt_low", ""),
    ("Gap between the two", "quality", "prompt_gap", "≥ 60 points"),
    ("Genre, top-ranked of four", "best_of", "genre_best", "above average"),
    ("Genre, average of four", "best_of", "genre_average", ""),
    ("Lead, top-ranked of four", "best_of", "lead_best", "above average"),
    ("Lead, average of four", "best_of", "lead_average", ""),
)
NATS = (
    ("VAE alone", "log_mel_l1_vae", ""),
    ("vocoder alone", "log_mel_l1_vocoder", ""),
    ("VAE and vocoder", "log_mel_l1", "≤ 0.45"),
)
STEP_COLUMNS = ("genre", "drums", "lead", "tempo", "tempo_tracked")


def percent(found: Section | None) -> str:
    """A share with its 95 % interval, such as "93.5 % (90.1 to 96.4), n 216"."""
    if not found:
        return "–"
    mean, low, high = (100 * found[key] for key in ("mean", "low", "high"))
    return f"{mean:.1f} % ({low:.1f} to {high:.1f}), n {found['n']}"


def table(results: Mapping[str, Any]) -> str:
    """The whole document in Markdown."""
    return f"# What the judges hear in the model\n\n{body(results)}"


def body(results: Mapping[str, Any]) -> str:
    """The document without its heading: where the figures come from, the measures, the tables of steps and guidance."""
    sections: Mapping[str, Section] = results.get("sections", {})
    lines = [
        *_origin(results),
        "",
        "| measure | floor | measured |",
        "|---|---|---|",
    ]
    lines += [
        f"| {name} | {floor} | {percent(sections[s].get(key))} |" for name, s, key, floor in ROWS if s in sections
    ]
    if "reconstruction" in sections:
        lines += _reconstruction(sections["reconstruction"])
    if "speed" in sections:
        speed = sections["speed"]
        lines.append(f"| Seconds for a clip of {speed['audio_s']} s, warm | ≤ 2.5 | {speed['warm_s']:.2f} |")
        lines.append(f"| Seconds of `musicldm generate` from cold | ≤ 9 | {speed['cold_s']:.2f} |")
    for name in ("steps", "guidance"):
        if name in sections:
            lines += _sweep(name, sections[name])
    return "\n".join(lines) + "\n"


def _origin(results: Mapping[str, Any]) -> list[str]:
    runs = [section["run"] for section in results.get("sections", {}).values()]
    if not runs:
        return ["Nothing measured yet."]
    models, machines = (", ".join(sorted({run[key] for run in runs})) for key in ("model", "hardware"))
    dates = sorted({run["date"] for run in runs})
    card = results.get("judges", {})
    held = ", ".join(f"{head} {100 * share:.1f} %" for head, share in card.get("held_out", {}).items())
    return [
        f"Model {models}; {machines}; {' to '.join(dict.fromkeys([dates[0], dates[-1]]))}.",
        f"Judges' own accuracy on {card.get('clips', {}).get('held_out', 0)} held-out clips: {held}. "
        "Intervals are 95 % by bootstrap.",
    ]


def _reconstruction(found: Section) -> list[str]:
    lines = []
    for name, key, floor in NATS:
        value = found[key]
        interval = f"{value['low']:.3f} to {value['high']:.3f}"
        lines.append(f"| Log-mel L1 in nats, {name} | {floor} | {value['mean']:.3f} ({interval}) |")
    for name, key in (("vocoder alone", "stft_vocoder"), ("VAE and vocoder", "stft")):
        value = found[key]
        lines.append(
            f"| Multi-resolution STFT, {name} | | convergence {value['convergence']:.3f}, "
            f"log magnitude {value['log_magnitude']:.3f} |"
        )
    for name, key in (("real clips", "judges_real"), ("reconstructions", "judges_reconstructed")):
        heads = ", ".join(f"{head} {100 * share:.1f} %" for head, share in found[key].items())
        lines.append(f"| Judges on {found['clips']} {name} | | {heads} |")
    for name, key in (("real clips", "tracker_real"), ("reconstructions", "tracker_reconstructed")):
        strict, plain, folded = (percent(found[key][kind]) for kind in ("tempo", "tempo_plain", "tempo_folded"))
        lines.append(f"| Tempo by onsets on {name} | | {strict}; knowing no genres {plain}; folded {folded} |")
        tracked, folded = (percent(found[key][kind]) for kind in ("tempo_tracked", "tempo_tracked_folded"))
        lines.append(f"| Tempo by the beat tracker on {name} | | {tracked}; folded {folded} |")
    return lines


def _sweep(name: str, found: Section) -> list[str]:
    lines = ["", f"{name.capitalize()} (default {found['default']:g}), the same prompts and seeds:", ""]
    lines += [f"| {name} | {' | '.join(STEP_COLUMNS)} | score |", "|---" * (len(STEP_COLUMNS) + 2) + "|"]
    for value, row in found["table"].items():
        cells = [f"{100 * row[name]['mean']:.1f} %" if row.get(name) else "–" for name in STEP_COLUMNS]
        score = f"{row['score']['mean']:.3f}" if row.get("score") else "–"
        lines.append(f"| {value} | {' | '.join(cells)} | {score} |")
    return lines


def write_table(results: Path) -> None:
    """Writes the table beside the results."""
    text = table(json.loads(results.read_text(encoding="utf-8")))
    results.with_suffix(".md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_table(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "results" / "model_card.json")
