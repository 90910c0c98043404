"""`musicldm mixup preview` on a few prepared clips."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from musicldm.data.manifest import PrepareSettings
from musicldm.data.prepare import prepare
from musicldm.machine.parallel import WorkerPool


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("noises")
    (folder / "src").mkdir()
    rng, lines = np.random.default_rng(0), []
    for index in range(3):
        wave = 0.1 * rng.standard_normal(16000).astype(np.float32)
        soundfile.write(folder / "src" / f"{index}.wav", wave, 16000)
        row = {"file_name": f"{index}.wav", "text": "noise", "beats": [0.1, 0.3, 0.5], "downbeats": [0.1, 0.3, 0.5]}
        lines.append(json.dumps(row) + "\n")
    (folder / "src" / "metadata.jsonl").write_text("".join(lines))
    prepare(folder / "src", folder / "data", PrepareSettings(seconds=1.0), pool=WorkerPool(workers=1))
    return folder / "data"


def test_previews_overwrite_nothing(command, data: Path) -> None:
    wanted = {f"bam-01{end}" for end in (".png", "-anchor.wav", "-partner.wav", "-mixture.wav")}
    outcome = command("mixup", "preview", data, "--kind", "bam", "-n", 1, "--out", "p")
    assert (outcome.code, outcome.err) == (0, "")
    assert {path.name for path in Path("p").iterdir()} == wanted
    path, anchor, partner, weight = outcome.out.rstrip("\n").split("\t")
    assert path == "p/bam-01-mixture.wav"
    assert {anchor, partner} <= {"0.wav", "1.wav", "2.wav"}
    assert 0 < float(weight) < 1
    before = {path: path.read_bytes() for path in Path("p").iterdir()}
    outcome = command("mixup", "preview", data, "--kind", "bam", "-n", 1, "--out", "p", "--seed", 5)
    assert outcome.code == 0
    assert len(list(Path("p").iterdir())) == 8
    assert all(path.read_bytes() == content for path, content in before.items())


def test_latents_are_mixed_and_decoded_by_the_model(command, data: Path, tiny_model_dir: Path) -> None:
    outcome = command("mixup", "preview", data, "-n", 1, "--model", tiny_model_dir, "--out", "p")
    assert (outcome.code, outcome.err) == (0, "")
    mixture, _ = soundfile.read("p/blm-01-mixture.wav")
    assert len(mixture) >= 0.4 * 16000
    assert mixture.std() > 0


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--kind", "bem"], "unknown mixup kind 'bem': choose one of none, simple, bam, blm"),
        (["--kind", "none"], "unknown mixup kind 'none' for a preview: choose one of simple, bam, blm"),
        (["-n", "0"], "-n 0: it must be at least 1"),
        (["--mixup-with", "x"], "unknown --mixup-with 'x'"),
        (["--kind", "bam", "--out", "taken"], "taken"),
    ],
)
def test_previews_that_make_no_sense_are_refused_in_one_line(
    command, data: Path, options: list[str], complaint: str
) -> None:
    Path("taken").write_text("a file")
    outcome = command("mixup", "preview", data, *options)
    assert outcome.code in (1, 2)
    assert outcome.err.startswith(f"musicldm: {complaint}")
    assert outcome.err.count("\n") == 1
    assert Path("taken").read_text() == "a file"


def test_mixup_alone_shows_its_help(command) -> None:
    outcome = command("mixup")
    assert (outcome.code, outcome.err) == (0, "")
    assert "preview" in outcome.out
