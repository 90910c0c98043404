"""`musicldm prepare`: what it passes on, and what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from musicldm.audio.mel import MelSpec
from musicldm.data.manifest import HifiSpec, PrepareSettings, read_manifest
from musicldm.data.prepare import Prepared
from musicldm.machine.parallel import WorkerPool


def write(path: Path, samples: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.1 * np.sin(np.arange(samples)), 16000)
    path.with_suffix(".txt").write_text("a hum")


def test_prepare_passes_on_its_options(command, monkeypatch: pytest.MonkeyPatch, tiny_model_dir: Path) -> None:
    seen: dict[str, Any] = {}

    def fake(src: Path, out: Path, settings: PrepareSettings, **options: Any) -> Prepared:
        seen.update(options, src=src, out=out, settings=settings)
        return Prepared(5, 0.5, 7, 2, {"silent": 1, "corrupt": 1})

    monkeypatch.setattr("musicldm.data.prepare.prepare", fake)
    outcome = command(
        "prepare", "s", "--out", "o", "--model", tiny_model_dir, "--normalize", "none", "--beats", "auto",
        "--seconds", 5, "--sample-rate", 16000, "--mel-bins", 64, "--hop", 160, "--fft", 2048, "--top-frequency", 7000,
        "--hifi-rate", 48000, "--channels", 2, "--workers", 3, "--engine", "ray", "--address", "a:1",
        "--device", "cpu", "--mixed-precision", "bf16",
    )  # fmt: skip
    assert (outcome.code, outcome.out) == (0, "5 clips, 0.50 h in o\n")
    assert outcome.err == "musicldm: left out: 1 corrupt, 1 silent; see o/report.jsonl\n"
    assert callable(seen.pop("listen"))
    assert seen == {
        "src": Path("s"), "out": Path("o"), "model": tiny_model_dir, "device": "cpu",
        "mixed_precision": "bf16",
        "settings": PrepareSettings(
            MelSpec(n_fft=2048, win_length=2048, f_max=7000.0), 5.0, "none", "auto", HifiSpec(48000, 2)
        ),
        "pool": WorkerPool("ray", 3, "a:1"),
    }  # fmt: skip


@pytest.mark.parametrize(("missing", "beats"), [(None, "auto"), ("einops", "metadata")])
def test_beats_are_tracked_by_default_where_that_is_possible(
    missing: str | None, beats: str, command, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[PrepareSettings] = []

    def fake(src: Path, out: Path, settings: PrepareSettings, **options: Any) -> Prepared:
        seen.append(settings)
        return Prepared(1, 0.1, 1, 1, {})

    monkeypatch.setattr("musicldm.data.prepare.prepare", fake)
    monkeypatch.setattr("musicldm.beats.network.missing_package", lambda: missing)
    outcome = command("prepare", "s", "--out", "o")
    assert (outcome.code, seen[0].beats) == (0, beats)
    assert ("beats are not tracked" in outcome.err) == (missing is not None)


def test_a_folder_is_prepared_and_what_is_left_out_is_reported(command) -> None:
    write(Path("songs/a.wav"), 20000)
    write(Path("songs/b.wav"), 100)
    outcome = command("prepare", "songs", "--out", "data", "--seconds", 1, "--workers", 1, "--beats", "none")
    assert (outcome.code, outcome.out) == (0, "1 clips, 0.00 h in data\n")
    assert outcome.err == "musicldm: left out: 1 too short; see data/report.jsonl\n"
    assert read_manifest(Path("data"))["clips"] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gone", "--out", "o"], "gone: no such folder"),
        (["songs", "--out", "o", "--normalize", "loud"], "unknown normalisation 'loud': choose one of peak"),
        (["songs", "--out", "o", "--engine", "spark"], "unknown engine 'spark': choose one of local, ray"),
        (["songs", "--out", "o", "--model", "gone"], "gone"),
        (["songs", "--out", "songs/o"], "is inside songs: choose a folder beside it"),
    ],
)
def test_prepare_refuses_options_that_make_no_sense(command, arguments: list[str], message: str) -> None:
    write(Path("songs/a.wav"), 20000)
    outcome = command("prepare", *arguments)
    assert outcome.code == 2
    assert message in outcome.err
    assert outcome.err.count("\n") == 1
    assert not Path("o").exists()
