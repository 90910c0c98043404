"""README and docs: their links lead somewhere, and the measured block says what benchmarks/results say."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return runpy.run_path(str(ROOT / "benchmarks" / "readme_results.py"))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_link_within_the_repository_leads_to_a_file(document: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)", document.read_text(encoding="utf-8"))
    local = [target for target in targets if "://" not in target]
    missing = [target for target in local if not (document.parent / target).exists()]
    assert not missing, f"{document.name} links to {missing}"


def test_the_measured_block_is_that_of_the_results(script: dict[str, Any]) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    content = script["block"](script["load"]("model_card"), script["load"]("prompts"))
    assert script["fill"](text, content) == text, "run: python benchmarks/readme_results.py"


def test_what_was_not_heard_as_wanted_is_said(script: dict[str, Any]) -> None:
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
