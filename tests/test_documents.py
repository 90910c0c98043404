"""README, docs and cards: links lead somewhere, tables are those of benchmarks/results, and short texts stay short."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
EXAMPLES = sorted((ROOT / "docs" / "examples").glob("*.ogg"))


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    for folder in (ROOT, ROOT / "benchmarks"):
        monkeypatch.syspath_prepend(str(folder))
    return runpy.run_path(str(ROOT / "benchmarks" / "tables" / "readme_results.py"))


@pytest.fixture
def tables() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "benchmarks" / "tables" / "model_card_table.py"))


def anchors(document: Path) -> set[str]:
    """The fragments of a document's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_within_the_repository_lead_to_a_file_and_a_heading(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    targets = [target for target in re.findall(r"\]\(([^)\s]+)", text) if "://" not in target]
    for target in targets:
        name, _, fragment = target.partition("#")
        path = document.parent / name if name else document
        assert path.exists(), f"{document.name} links to {target}"
        assert not fragment or fragment in anchors(path), f"{document.name} links to {target}"


def test_the_readme_has_at_most_150_lines_and_shows_every_example() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 150
    assert EXAMPLES
    assert [path.name for path in EXAMPLES if f"docs/examples/{path.name}" not in text] == []


def test_the_architecture_has_at_most_1500_words() -> None:
    assert len((ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").split()) <= 1500


def test_the_measured_block_of_the_readme_is_that_of_the_results(script: dict[str, Any]) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert script["fill"](text, script["block"](script["load"]("model_card"))) == text, f"run {script['__file__']}"


def test_the_measures_in_docs_are_those_of_the_results(script: dict[str, Any]) -> None:
    kept = script["MEASURES"].read_text(encoding="utf-8")
    made = script["measures"](script["load"]("model_card"), script["load"]("prompts"))
    assert kept == made, f"run {script['__file__']}"


@pytest.mark.parametrize(("share", "said"), [(0.9699, "**missed**"), (0.97, "met"), (0.99, "met")])
def test_a_missed_floor_is_marked(tables: dict[str, Any], share: float, said: str) -> None:
    drums = {"mean": share, "low": 0.9, "high": 1.0, "n": 79}
    known = {"drums": drums, "genre": None, "lead": None, "tempo_tracked": None}
    line = next(row for row in tables["headlines"]({"sections": {"known": known}}).splitlines() if "Drums" in row)
    assert line.endswith(f"| ≥ 97 % | {tables['percent'](drums)} | {said} |")


@pytest.mark.parametrize(
    ("first", "second", "said"), [(0.5, 0.4, "met"), (0.5, 0.6, "**missed**"), (0.5, 0.5, "equal")]
)
def test_a_measure_that_is_to_be_lower_is_compared_with_the_other(
    tables: dict[str, Any], first: float, second: float, said: str
) -> None:
    measure = tables["Measure"]("degraded", "negative", "with", below="without")
    assert measure.verdict({"negative": {"without": {"mean": first}, "with": {"mean": second}}}) == said


def test_what_was_judged_otherwise_than_wanted_is_said(script: dict[str, Any]) -> None:
    found = {
        "prompts": [
            {
                "prompt": "metal at 170 BPM",
                "seed": 3,
                "genre": {"wanted": "metal", "heard": "rock"},
                "lead": {"wanted": None, "heard": "guitar"},
                "tempo": {"wanted": 170, "tracked": 169.6},
                "score": 0.41234,
            },
            {
                "prompt": "a drone",
                "seed": 4,
                "genre": {"wanted": "ambient", "heard": "ambient"},
                "lead": {"wanted": "strings", "heard": "strings"},
                "tempo": {"wanted": None, "tracked": None},
                "score": None,
            },
        ],
        "run": {"model": "abc", "hardware": "a machine", "date": "2026-01-02"},
    }
    rows = script["prompt_table"](found).splitlines()
    assert "seeds 3 to 4" in rows[0]
    assert rows[-2] == "| metal at 170 BPM | rock (wanted: metal) | guitar | 170 / 170 | 0.412 |"
    assert rows[-1] == "| a drone | ambient | strings | – / none | – |"


def test_text_around_the_block_is_kept_and_a_second_block_refused(script: dict[str, Any]) -> None:
    begin, end = script["BEGIN"], script["END"]
    assert script["fill"](f"a{begin}old{end}b", "new") == f"a{begin}\n\nnew\n\n{end}b"
    for wrong in ("no marks", f"{end}{begin}", f"{begin}{end}{begin}{end}"):
        with pytest.raises(ValueError, match="exactly one block"):
            script["fill"](wrong, "new")


def test_the_examples_are_small_and_say_how_they_were_made() -> None:
    from musicldm.audio.writing import read_settings

    prompts = runpy.run_path(str(ROOT / "scripts" / "make_examples.py"))["PROMPTS"]
    assert sum(path.stat().st_size for path in EXAMPLES) <= 1.5 * 2**20
    found = {path.stem: (read_settings(path)["prompt"], read_settings(path)["seed"]) for path in EXAMPLES}
    assert found == {name: (prompt, seed) for seed, (name, prompt) in enumerate(prompts.items())}


def test_the_card_of_the_shipped_model_is_that_of_the_results(monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in (ROOT, ROOT / "benchmarks"):
        monkeypatch.syspath_prepend(str(folder))
    script = runpy.run_path(str(ROOT / "benchmarks" / "tables" / "model_card_text.py"))
    card = script["card"](script["MODEL"], script["load"]("training"), script["load"]("model_card"))
    assert (script["MODEL"] / "README.md").read_text(encoding="utf-8") == card, f"run {script['__file__']}"
