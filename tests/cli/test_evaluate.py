"""`musicldm evaluate` on what `musicldm generate` made with a tiny model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

PLAIN = ("--device", "cpu", "--beats", "none")


@pytest.fixture
def music(command, tiny_model_dir: Path) -> Path:
    """gen: three clips of 1.6 s that know their prompts."""
    Path("p.txt").write_text("calm piano\nfast techno with drums\njazz guitar\n")
    outcome = command(
        "generate", "--prompts-file", "p.txt", "--model", tiny_model_dir, "--duration", 1.6, "--steps", 1, "--seed", 3,
        "--device", "cpu", "-o", "gen/",
    )  # fmt: skip
    assert outcome.code == 0
    return Path("gen")


def test_prompts_inside_the_files_are_used_and_an_existing_report_is_kept(command, music, tiny_model_dir) -> None:
    words = ("evaluate", music, "--embedder", tiny_model_dir, *PLAIN, "--out", "made/here")
    outcome = command(*words)
    assert outcome.code == 0
    rows = [line.split("\t") for line in outcome.out.splitlines()]
    score = next(row for row in rows if row[0] == "CLAP score")
    assert (score[3], score[4]) == ("3", "↑")
    assert any(row[0].startswith("CLAP of") and row[2] == "32000" for row in rows)
    first = Path("made/here/report.json").read_bytes()
    assert [one["prompt"] for one in json.loads(first)["clips"]] == [
        "calm piano",
        "fast techno with drums",
        "jazz guitar",
    ]
    assert f"{float(score[1]):.3f}" == f"{json.loads(first)['figures'][0]['value']:.3f}"
    assert command(*words).code == 0
    assert sorted(path.name for path in Path("made/here").iterdir()) == [
        "report-2.html", "report-2.json", "report.html", "report.json",
    ]  # fmt: skip
    assert Path("made/here/report.json").read_bytes() == first


def test_json_is_printed_alone_and_no_file_is_written(command, music, tiny_model_dir) -> None:
    before = sorted(Path().rglob("*"))
    outcome = command("evaluate", music, "--embedder", tiny_model_dir, *PLAIN, "--json", "--reference", music)
    assert outcome.code == 0
    found = json.loads(outcome.out)
    assert found["reference"]["clips"] == 3
    distance = next(one for one in found["figures"] if one["metric"].startswith("Fréchet"))
    assert distance["value"] == pytest.approx(0, abs=1e-4)
    assert "musicldm: Fréchet distance: 3 generated embeddings of 32 numbers" in outcome.err
    assert sorted(Path().rglob("*")) == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("gone",), "gone: no such folder"),
        (("gen", "--prompts", "no.txt"), "no.txt: no such file of prompts"),
        (("gen", "--reference", "nowhere"), "nowhere: no such folder"),
        (("gen", "--training", "nowhere"), "nowhere: no such folder"),
        (("gen", "--judges", "nowhere"), "no judges in nowhere"),
        (("gen", "--embedder", "nonsense"), "no embedder 'nonsense': choose default"),
        (("gen", "--seconds", "0"), "seconds 0: at least 1"),
        (("gen", "--workers", "0"), "workers 0: at least 1"),
        (("gen", "--engine", "spark"), "unknown engine 'spark': choose one of local, ray"),
        (("gen", "--device", "tpu"), "device 'tpu' is not available here"),
    ],
)
def test_a_mistake_is_reported_in_one_line(command, words, message) -> None:
    Path("gen").mkdir()
    Path("gen/a.wav").touch()
    outcome = command("evaluate", *words)
    assert (outcome.code, outcome.out) == (2, "")
    assert message in outcome.err
    assert len(outcome.err.splitlines()) == 1
