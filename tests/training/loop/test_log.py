"""Journals: what is written where, read back with the trackers' own tools."""

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from musicldm.errors import InvalidInputError, MissingDependencyError
from musicldm.training.loop.log import Journal

WAVE = (0.5 * np.sin(2 * np.pi * 440 * np.arange(8000) / 8000)).astype(np.float32)
PICTURE = np.eye(4, dtype=np.float32)

RUN = """
import sys
from pathlib import Path
from tests.training.loop.test_log import PICTURE, WAVE
from musicldm.training.loop.log import Journal
tracker, out, resume, step = sys.argv[1:]
with Journal(Path(out), 8000, tracker, {"recipe": {"rate": 0.5}}, resume=resume == "True") as journal:
    journal.figures("train", int(step), 0.25, {"loss": 0.25})
    journal.samples({"caption0/wave": WAVE, "caption0/latent": PICTURE}, int(step))
"""


def kept(journal: Journal) -> None:
    with journal:
        journal.figures("train", 5, 0.25, {"loss": 0.5})
        journal.figures("validation", 5, 0.25, {"loss": 0.75})
        journal.samples({"caption0/wave": WAVE, "caption0/latent": PICTURE}, 5)


def test_a_log_has_a_line_for_each_time(tmp_path: Path) -> None:
    kept(Journal(tmp_path, 8000))
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert lines == [
        {"kind": "train", "step": 5, "minutes": 0.25, "loss": 0.5},
        {"kind": "validation", "step": 5, "minutes": 0.25, "loss": 0.75},
    ]


def test_tensorboard_reads_the_curves_and_the_samples(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    kept(Journal(tmp_path, 8000))
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [(one.step, one.value) for one in events.Scalars("validation/loss")] == [(5, 0.75)]
    assert [one.step for one in events.Audio("caption0/wave")] == [5]
    assert (events.Images("caption0/latent")[0].width, events.Images("caption0/latent")[0].height) == (4, 4)


def tracked(tracker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What two processes, the second of which goes on, have given to a tracker; the folder that it keeps."""
    pytest.importorskip(tracker)
    home, out = tmp_path / "kept", tmp_path / "second try"
    for folder in (home, out):
        folder.mkdir()
    for name, value in {"WANDB_MODE": "offline", "WANDB_DIR": str(home), "TRACKIO_DIR": str(home)}.items():
        monkeypatch.setenv(name, value)
    for resume, step in ((False, 5), (True, 6)):
        subprocess.run([sys.executable, "-c", RUN, tracker, str(out), str(resume), str(step)], check=True)
    return home


def test_trackio_gets_settings_curves_and_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tracked("trackio", tmp_path, monkeypatch)
    with sqlite3.connect(home / "musicldm.db") as base:
        rows = base.execute("select run_name, step, metrics from metrics order by id").fetchall()
        runs = base.execute("select distinct run_id from metrics").fetchall()
        config = json.loads(base.execute("select config from configs").fetchone()[0])
    assert len(runs) == 1
    assert config["recipe"] == {"rate": 0.5}
    assert [(name, step) for name, step, _ in rows] == [("second try", step) for step in (5, 5, 6, 6)]
    assert json.loads(rows[0][2]) == {"train/loss": 0.25}
    media = json.loads(rows[1][2])
    wave, rate = soundfile.read(home / "media" / media["caption0/wave"]["file_path"])
    assert rate == 8000
    assert np.allclose(wave, WAVE, atol=1e-3)


def test_a_resumed_training_goes_on_in_its_run_of_weights_and_biases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tracked("wandb", tmp_path, monkeypatch)
    runs = sorted((home / "wandb").glob("offline-run-*"))
    assert len(runs) == 2
    assert len({run.name.split("-")[-1] for run in runs}) == 1
    for run, step in zip(runs, (5, 6), strict=True):
        (wave,) = (run / "files" / "media" / "audio" / "caption0").iterdir()
        assert wave.name.startswith(f"wave_{step}_")
        assert np.allclose(soundfile.read(wave)[0], WAVE, atol=1e-3)


def test_unknown_trackers_and_those_not_installed_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidInputError, match="unknown tracker 'mlflow': choose one of trackio, wandb"):
        Journal(tmp_path, 8000, "mlflow")
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(MissingDependencyError, match=r'wandb is not installed: pip install "musicldm\[wandb\]"'):
        Journal(tmp_path, 8000, "wandb")
