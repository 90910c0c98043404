"""Fills the block of measures in README.md and writes docs/measures.md: `python -m benchmarks.tables.readme_results`.

Reads results/model_card.json (benchmarks/quality/model_card.py) and results/prompts.json
(benchmarks/quality/prompts.py).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from typing import Any

from benchmarks.circumstances import RESULTS, ROOT
from benchmarks.tables.model_card_table import body, headlines

README = ROOT / "README.md"
MEASURES = ROOT / "docs" / "measures.md"
BEGIN, END = "<!-- measured:begin -->", "<!-- measured:end -->"
UNMEASURED = "Not measured yet: `benchmarks/quality/model_card.py` makes the table that stands here."
INTRODUCTION = """\
# Measures

Written by `benchmarks/tables/readme_results.py` from `benchmarks/results/`: do not edit it by hand.

How the shipped model is measured:

- **Judges** are small classifiers of genre, drums, lead instrument and sound quality. They were trained on clips of the
  composed corpus. Three in ten of their training excerpts went through this model's VAE and vocoder, so that they judge
  the music and not the codec. They never saw a clip that the UNet made.
- **Tempo** is measured twice: by the beat tracker that ships, and by librosa's onsets.
- **Words held out** are expressions for a genre or an instrument that no training caption contains.
- **Score** is the cosine of prompt and sound in the model's own CLAP. The model was trained towards it, so it cannot be
  compared with the score of another model.
- **Wanted** is the floor that the project set itself. Where a floor is missed, the table says so.
"""
OTHERS = """\
## More results

| question | file |
|---|---|
| How much quality does each speed setting cost? | [quality_vs_speed.md](../benchmarks/results/quality_vs_speed.md) |
| How fast is it beside diffusers' pipeline, stage by stage? | [generate.md](../benchmarks/results/generate.md) |
| How fast is it on a GPU? | [generate_gpu.md](../benchmarks/results/generate_gpu.md) |
| Where does the time go? | [profile_generate.md](../benchmarks/results/profile_generate.md) |
| How well are beats tracked? | [beats.md](../benchmarks/results/beats.md) |
| Does the model copy its training clips? | [model_novelty.md](../benchmarks/results/model_novelty.md) |
| How surely is a copy found? | [novelty_roc.md](../benchmarks/results/novelty_roc.md) |
| What does mixup change? | [mixup_comparison.md](../benchmarks/results/mixup_comparison.md) |
"""


def load(name: str) -> dict[str, Any] | None:
    """A file of results by its stem; None where nothing has been measured."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def block(card: Mapping[str, Any] | None) -> str:
    """The Markdown between the marks of the README."""
    return UNMEASURED if card is None else headlines(card).rstrip("\n")


def measures(card: Mapping[str, Any] | None, prompts: Mapping[str, Any] | None) -> str:
    """The whole of docs/measures.md."""
    parts = [INTRODUCTION]
    if card is not None:
        parts.append(body(card))
    if prompts is not None:
        parts.append(f"## Six prompts\n\n{prompt_table(prompts)}\n")
    return "\n".join([*parts, OTHERS])


def prompt_table(found: Mapping[str, Any]) -> str:
    """The six prompts: what was judged in the first clip of each."""
    run = found["run"]
    lines = [
        f"One clip of each prompt at the default settings, seeds {found['prompts'][0]['seed']} to "
        f"{found['prompts'][-1]['seed']}; model {run['model']}; {run['hardware']}; {run['date']}.",
        "",
        "| prompt | genre judged | lead judged | tempo wanted / tracked | score |",
        "|---|---|---|---|---|",
    ]
    for one in found["prompts"]:
        cells = [one["prompt"], *(marked(one[key]) for key in ("genre", "lead")), tempo(one["tempo"]), score(one)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def marked(judged: Mapping[str, str | None]) -> str:
    """What was judged, with what was wanted where it is something else."""
    name, wanted = str(judged["heard"]), judged["wanted"]
    return name if wanted in (None, name) else f"{name} (wanted: {wanted})"


def tempo(found: Mapping[str, float | None]) -> str:
    wanted, tracked = found["wanted"], found["tracked"]
    return f"{'–' if wanted is None else wanted} / {'none' if tracked is None else f'{tracked:.0f}'}"


def score(found: Mapping[str, Any]) -> str:
    return "–" if found["score"] is None else f"{found['score']:.3f}"


def fill(text: str, content: str) -> str:
    """A text with what stands between its marks replaced.

    Raises:
        ValueError: the marks are not there, once each and in order.
    """
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end) or BEGIN in tail or END in tail:
        raise ValueError(f"exactly one block from {BEGIN} to {END} is expected")
    return f"{head}{begin}\n\n{content}\n\n{end}{tail}"


def main() -> None:
    """Writes the block and the document."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    card = load("model_card")
    README.write_text(fill(README.read_text(encoding="utf-8"), block(card)), encoding="utf-8")
    MEASURES.write_text(measures(card, load("prompts")), encoding="utf-8")


if __name__ == "__main__":
    main()
