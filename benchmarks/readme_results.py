"""Fills the block of measured results in README.md: `python benchmarks/readme_results.py`.

Reads results/model_card.json (benchmarks/model_card.py) and results/prompts.json (benchmarks/prompts.py).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from model_card_table import body

README = Path(__file__).resolve().parent.parent / "README.md"
RESULTS = Path(__file__).parent / "results"
BEGIN, END = "<!-- measured:begin -->", "<!-- measured:end -->"
UNMEASURED = "Not measured yet: `benchmarks/model_card.py` and `benchmarks/prompts.py` make the tables that stand here."


def load(name: str) -> dict[str, Any] | None:
    """A file of results by its stem; None where nothing has been measured."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def block(card: Mapping[str, Any] | None, prompts: Mapping[str, Any] | None) -> str:
    """The Markdown between the marks."""
    parts = []
    if prompts is not None:
        parts.append(prompt_table(prompts))
    if card is not None:
        parts.append(body(card).rstrip("\n"))
    return "\n\n".join(parts) or UNMEASURED


def prompt_table(found: Mapping[str, Any]) -> str:
    """The six prompts: what was heard in the first clip of each."""
    run = found["run"]
    lines = [
        f"One clip of each prompt at the default settings, seeds {found['prompts'][0]['seed']} to "
        f"{found['prompts'][-1]['seed']}; model {run['model']}; {run['hardware']}; {run['date']}.",
        "",
        "| prompt | genre heard | lead heard | tempo wanted / tracked | score |",
        "|---|---|---|---|---|",
    ]
    for one in found["prompts"]:
        cells = [one["prompt"], *(marked(one[key]) for key in ("genre", "lead")), tempo(one["tempo"]), score(one)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def marked(judged: Mapping[str, str | None]) -> str:
    """What was heard, with what was wanted where it is something else."""
    heard, wanted = str(judged["heard"]), judged["wanted"]
    return heard if wanted in (None, heard) else f"{heard} (wanted: {wanted})"


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


if __name__ == "__main__":
    content = block(load("model_card"), load("prompts"))
    README.write_text(fill(README.read_text(encoding="utf-8"), content), encoding="utf-8")
