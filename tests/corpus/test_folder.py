"""The folder of a corpus: what in it is kept, what goes on, and what is said about it. Sound is noise: it is quick."""

import errno
import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from musicldm import files
from musicldm.corpus import build
from musicldm.corpus.build import Built, build_corpus
from musicldm.corpus.sound.rendering import Rendered
from musicldm.errors import DataError, InvalidInputError


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clips whose sound is noise of their seed."""

    def noise(score: Any, _fonts: object, *, sample_rate: int, channels: int) -> np.ndarray:
        rng = np.random.default_rng(score.truth.seed)
        return rng.uniform(-0.5, 0.5, (channels, round(score.truth.duration * sample_rate))).astype(np.float32)

    def noises(score: Any, fonts: object, **options: int) -> Rendered:
        wave = noise(score, fonts, **options)
        return Rendered(wave, {"lead": 0.75 * wave, "bass": 0.25 * wave})

    monkeypatch.setattr(build, "SoundFont", lambda path: path)
    monkeypatch.setattr(build, "render", noise)
    monkeypatch.setattr(build, "render_stems", noises)


@pytest.fixture
def make(tmp_path: Path):
    (tmp_path / "any.sf2").touch()

    def build_here(out: Path, clips: int, **options: Any) -> Built:
        return build_corpus(
            out, clips=clips, seconds=1.0, workers=1, soundfonts=[tmp_path / "any.sf2"], audio_format="wav", **options
        )

    return build_here


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_it_is_told_how_many_clips_there_are_and_how_many_are_new(tmp_path, make):
    out = tmp_path / "out"
    assert make(out, 2) == Built(2, 2)
    assert make(out, 3) == Built(3, 1)
    assert make(out, 3) == make(out, 1) == Built(3, 0)
    (out / "audio" / "000001.wav").unlink()
    before = contents(out)
    assert make(out, 1) == Built(3, 1), "a clip that is listed and not there is made again"
    assert contents(out).keys() - before.keys() == {"audio/000001.wav"}


def test_a_users_audiofolder_is_refused_and_untouched(tmp_path, make):
    out = tmp_path / "music"
    (out / "audio").mkdir(parents=True)
    (out / "audio" / "000001.wav").write_bytes(b"my song")
    (out / "metadata.jsonl").write_text('{"file_name": "audio/000001.wav", "text": "mine"}\n' * 3, encoding="utf-8")
    before = contents(out)
    for clips in (2, 5):
        with pytest.raises(DataError, match=r"music holds audio and is not a corpus: choose another folder"):
            make(out, clips)
    assert contents(out) == before


@pytest.mark.parametrize("name", ["audio/000002.wav", "metadata.partial.jsonl", "corpus.json", "metadata.jsonl"])
@pytest.mark.parametrize("content", [b"of somebody else", b'{"file_name": "a.wav", "text": "mine"}\n'])
def test_somebodys_file_under_a_name_that_is_needed_stays_and_is_named(tmp_path, make, name, content):
    out = tmp_path / "out"
    make(out, 2)
    (out / name).write_bytes(content)
    before = contents(out)
    with pytest.raises(DataError, match=rf"{Path(name).name}.* is not of this corpus"):
        make(out, 4)
    assert contents(out) == before


@pytest.mark.parametrize("name", ["stems", "stems/000002", "stems/000002/lead.wav"])
def test_somebodys_file_where_stems_are_to_be_stays_and_is_named(tmp_path, make, name):
    out = tmp_path / "out"
    make(out, 2, stems=name != "stems")
    if name == "stems":
        (out / "corpus.json").write_text(
            (out / "corpus.json").read_text(encoding="utf-8").replace('"stems": false', '"stems": true')
        )
    (out / name).parent.mkdir(exist_ok=True)
    (out / name).write_bytes(b"of somebody else")
    before = contents(out)
    with pytest.raises(DataError, match=rf"{Path(name).name} is not of this corpus, and its name is needed"):
        make(out, 4, stems=True)
    assert contents(out) == before


def test_a_stem_that_is_gone_is_made_again_and_other_files_beside_it_stay(tmp_path, make):
    out = tmp_path / "out"
    make(out, 2, stems=True, channels=2)
    before = contents(out)
    assert {"stems/000000/lead.wav", "stems/000000/bass.wav", "stems/000001/lead.wav"} <= before.keys()
    (out / "stems" / "000001" / "bass.wav").unlink()
    (out / "stems" / "000001" / "notes.txt").write_bytes(b"mine")
    assert make(out, 2, stems=True, channels=2) == Built(2, 1)
    assert contents(out) == before | {"stems/000001/notes.txt": b"mine"}


def test_a_run_with_stems_that_was_killed_goes_on_to_the_same_bytes(tmp_path, make):
    """Killed after the stems of a clip have their names and before the clip has."""
    make(tmp_path / "expected", 3, stems=True)
    expected = contents(tmp_path / "expected")
    out = tmp_path / "out"
    make(out, 2, stems=True)
    (out / "stems" / "000002").mkdir()
    (out / "stems" / "000002" / "lead.wav").write_bytes(expected["stems/000002/lead.wav"])
    (out / "stems" / ".0123456789ab.part.wav").write_bytes(b"half")
    assert make(out, 3, stems=True) == Built(3, 1)
    assert contents(out) == expected


def test_a_corpus_of_the_first_edition_is_not_made_longer(tmp_path, make):
    out = tmp_path / "out"
    make(out, 1)
    settings = json.loads((out / "corpus.json").read_text(encoding="utf-8"))
    for name in ("edition", "channels", "stems"):
        del settings[name]
    (out / "corpus.json").write_text(json.dumps(settings), encoding="utf-8")
    with pytest.raises(DataError, match="edition None → 2"):
        make(out, 2)


def test_rows_that_somebody_added_are_not_counted_as_clips(tmp_path, make):
    out = tmp_path / "out"
    make(out, 1)
    with (out / "metadata.jsonl").open("a", encoding="utf-8") as rows:
        rows.write('{"file_name": "mine.wav", "text": "mine"}\n')
    before = contents(out)
    with pytest.raises(DataError, match=r"metadata\.jsonl: line 2 is not of this corpus"):
        make(out, 2)
    assert contents(out) == before


def test_an_audio_file_of_a_killed_run_is_taken_for_what_it_is(tmp_path, make):
    """Earlier versions wrote clips ahead of their rows, and in folders without a mark."""
    make(tmp_path / "expected", 4)
    expected = contents(tmp_path / "expected")
    out = tmp_path / "out"
    make(out, 2)
    (out / files.MARK).unlink()
    (out / "metadata.jsonl").rename(out / "metadata.partial.jsonl")
    for name in ("audio/000002.wav", "audio/000003.wav"):
        (out / name).write_bytes(expected[name] if "2" in name else b"")
    (out / "audio" / ".0123456789ab.part.wav").write_bytes(b"half")
    with (out / "metadata.partial.jsonl").open("a", encoding="utf-8") as rows:
        rows.write('{"file_name": "audio/0000')
    assert make(out, 4) == Built(4, 2)
    assert contents(out) == expected


def test_a_corpus_that_is_made_longer_stays_whole_until_it_is(tmp_path, make):
    out = tmp_path / "out"
    make(out, 2)
    before = (out / "metadata.jsonl").read_bytes()

    def stop(done: int, total: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(out, 5, progress=stop)
    assert (out / "metadata.jsonl").read_bytes() == before
    partial = (out / "metadata.partial.jsonl").read_bytes()
    assert make(out, 5) == Built(5, 1)
    # Killed after the one file was written and before the other was taken away.
    (out / "metadata.partial.jsonl").write_bytes(partial)
    assert make(out, 6) == Built(6, 1)
    make(tmp_path / "at_once", 6)
    assert contents(out) == contents(tmp_path / "at_once")


def test_a_setting_that_has_no_meaning_leaves_the_folder_as_it_was(tmp_path, make):
    with pytest.raises(DataError, match=r"sound font .*gone\.sf2: no such file"):
        build_corpus(tmp_path / "out", clips=1, soundfonts=[tmp_path / "gone.sf2"])
    assert not (tmp_path / "out").exists()
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInputError, match="file is a file: a folder for a corpus is expected"):
        make(tmp_path / "file", 1)


PROGRAM = """
import os, signal, sys
from pathlib import Path
from musicldm.corpus import build

def die(score, fonts, **options):
    os.kill(os.getpid(), signal.SIGKILL)

build.SoundFont, build.render = str, die
if __name__ == "__main__":
    try:
        build.build_corpus(Path(sys.argv[1]), clips=3, seconds=1.0, workers=2, soundfonts=[Path(sys.argv[2])])
    except OSError as error:
        print(error)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="SIGKILL")
def test_a_lost_worker_is_an_error_and_no_wait_without_end(tmp_path):
    import subprocess
    import sys

    (tmp_path / "any.sf2").touch()
    (tmp_path / "program.py").write_text(PROGRAM, encoding="utf-8")
    arguments = [sys.executable, tmp_path / "program.py", tmp_path / "out", tmp_path / "any.sf2"]
    said = subprocess.run(arguments, check=True, capture_output=True, text=True, timeout=120).stdout
    assert said.startswith("a worker was killed: fewer --workers need less memory; the same command goes on")


def test_what_the_machine_refuses_is_told_and_no_clip_is_listed_for_it(tmp_path, make, monkeypatch):
    out = tmp_path / "out"
    make(out, 1)
    real = files.flush_file

    def full(path: Path) -> None:
        if path.suffix == ".wav":
            raise OSError(errno.ENOSPC, "No space left on device")
        real(path)

    monkeypatch.setattr(files, "flush_file", full)
    with pytest.raises(OSError, match="No space left on device") as caught:
        make(out, 3)
    assert Path(caught.value.filename).parent == out / "audio"
    assert sorted(path.name for path in (out / "audio").iterdir()) == ["000000.wav"]
    monkeypatch.undo()
    rows = [json.loads(line) for line in (out / "metadata.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["file_name"] for row in rows] == ["audio/000000.wav"]
