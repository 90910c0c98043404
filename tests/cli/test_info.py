"""`musicldm info`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from musicldm.audio.writing import write

SETTINGS = {
    "musicldm": "0.1.0",
    "ai_generated": True,
    "prompt": "a\n[bold]b",
    "seed": 3,
    "batch": [2, 3],
    "score": None,
}


def test_settings_are_shown(command, tmp_path: Path) -> None:
    write(tmp_path / "a.ogg", np.zeros(1600, np.float32), 16000, settings=SETTINGS)
    outcome = command("info", "a.ogg")
    assert outcome.code == 0
    rows = dict(line.split("\t") for line in outcome.out.splitlines())
    assert rows == {
        "file": "a.ogg", "musicldm": "0.1.0", "ai_generated": "yes", "prompt": "a [bold]b", "seed": "3",
        "batch": "2, 3", "score": "-",
    }  # fmt: skip


def test_json_is_what_was_stored(command, tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav"):
        write(tmp_path / name, np.zeros(1600, np.float32), 16000, settings=SETTINGS)
    assert json.loads(command("info", "a.wav", "--json").out) == {"file": "a.wav", **SETTINGS}
    assert [one["file"] for one in json.loads(command("info", "a.wav", "b.wav", "--json").out)] == ["a.wav", "b.wav"]


def test_a_file_without_our_settings_is_refused(command, tmp_path: Path) -> None:
    write(tmp_path / "a.wav", np.zeros(1600, np.float32), 16000, settings={"prompt": 3})
    write(tmp_path / "b.wav", np.zeros(1600, np.float32), 16000)
    for name in ("a.wav", "b.wav"):
        outcome = command("info", name)
        assert (outcome.code, outcome.err) == (2, f"musicldm: {name}: no musicldm settings in this file\n")
