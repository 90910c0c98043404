"""`musicldm beats`, with a tracker that hears what it is told."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from musicldm.beats import tracker as beats_module
from musicldm.beats.beats import Beats

HEARD = Beats.of([0.25, 0.5, 0.75, 1.0], [0.5])
RATE = 8000


class Told:
    def __call__(self, wave: np.ndarray, sample_rate: int) -> Beats:
        assert (wave.shape, sample_rate) == ((2 * RATE,), RATE)
        return HEARD


@pytest.fixture(autouse=True)
def files(command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """a.wav and b.flac, and a tracker without a network."""
    monkeypatch.setattr(beats_module.BeatTracker, "from_pretrained", lambda name, device: Told())
    wave = 0.1 * np.sin(np.arange(2 * RATE) / 5)
    soundfile.write(tmp_path / "a.wav", wave, RATE)
    soundfile.write(tmp_path / "b.flac", np.stack([wave, wave], axis=1), RATE)


def test_beats_are_written_beside_their_audio_file(command) -> None:
    Path("music").mkdir()
    Path("a.wav").rename("music/a.wav")
    outcome = command("beats", "music/a.wav", "b.flac")
    assert outcome.code == 0
    assert (
        Path("music/a.beats").read_text() == Path("b.beats").read_text() == "0.250\t2\n0.500\t1\n0.750\t2\n1.000\t3\n"
    )
    assert outcome.out.splitlines() == ["music/a.wav\t4\t240.0\t0\tmusic/a.beats", "b.flac\t4\t240.0\t0\tb.beats"]


def test_json_has_every_field_and_writes_no_files(command) -> None:
    before = sorted(Path().iterdir())
    outcome = command("beats", "a.wav", "b.flac", "--json")
    assert outcome.code == 0
    expected = {"beats": [0.25, 0.5, 0.75, 1.0], "downbeats": [0.5], "tempo": 240.0, "meter": 0}
    assert json.loads(outcome.out) == [{"file": "a.wav", **expected}, {"file": "b.flac", **expected}]
    assert sorted(Path().iterdir()) == before


def test_each_option_writes_its_file_into_the_output_folder(command) -> None:
    pytest.importorskip("matplotlib")
    outcome = command("beats", "a.wav", "--labels", "--click", "--plot", "--out", "made/here")
    assert outcome.code == 0
    names = sorted(path.name for path in Path("made/here").iterdir())
    assert names == ["a-beats.png", "a-clicks.wav", "a-labels.txt", "a.beats"]
    assert outcome.out.rstrip().split("\t")[-1].count("made/here/") == 4
    clicks, rate = soundfile.read("made/here/a-clicks.wav")
    assert (clicks.shape, rate) == ((2 * RATE,), RATE)


def test_an_existing_file_of_beats_is_kept(command) -> None:
    Path("a.beats").write_text("mine")
    for _ in range(2):
        assert command("beats", "a.wav").code == 0
    assert Path("a.beats").read_text() == "mine"
    assert Path("a-2.beats").read_text() == Path("a-3.beats").read_text() != "mine"


def test_a_file_that_cannot_be_read_does_not_stop_the_others(command) -> None:
    Path("bad.wav").write_text("words")
    outcome = command("beats", "gone.wav", "bad.wav", "a.wav", "--json")
    assert outcome.code == 2
    assert outcome.err.splitlines()[0] == "musicldm: gone.wav: no such file"
    assert outcome.err.splitlines()[1].startswith("musicldm: bad.wav: not an audio file that can be read")
    assert len(outcome.err.splitlines()) == 2
    assert [one["file"] for one in json.loads(outcome.out)] == ["a.wav"]


def test_an_unavailable_device_is_refused(command) -> None:
    outcome = command("beats", "a.wav", "--device", "tpu")
    assert outcome.code == 2
    assert "device 'tpu' is not available here: choose one of" in outcome.err
