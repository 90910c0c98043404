import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import soundfile

from musicldm.corpus import build
from musicldm.corpus.build import ClipMaker, build_corpus
from musicldm.corpus.composing.arrangement import compose
from musicldm.corpus.sound import soundfonts
from musicldm.corpus.truth import GENRES
from musicldm.errors import DataError, InvalidInputError

CLIPS, SECONDS = 5, 2.0


@pytest.fixture(scope="module", autouse=True)
def fonts_that_stay_loaded():
    """A clip does not depend on those rendered before (sound/test_rendering.py), so that one load will do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "SoundFont", cache(build.SoundFont))
        yield


@pytest.fixture(scope="module")
def corpus(tmp_path_factory, font_path) -> Path:
    out = tmp_path_factory.mktemp("corpus")
    build_corpus(out, clips=CLIPS, seed=3, seconds=SECONDS, workers=1, soundfonts=[font_path])
    return out


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def rows_of(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "metadata.jsonl").read_text(encoding="utf-8").splitlines()]


def test_two_workers_write_the_same_bytes_as_one(corpus, tmp_path, font_path):
    """The workers are spawned from a script, as a user's are."""
    script = tmp_path / "two.py"
    script.write_text(
        "import sys; from pathlib import Path; from musicldm.corpus.build import build_corpus\n"
        "if __name__ == '__main__':\n"
        f"    build_corpus(Path(sys.argv[1]), clips={CLIPS}, seed=3, seconds={SECONDS}, workers=2,"
        " soundfonts=[Path(sys.argv[2])])\n"
    )
    subprocess.run([sys.executable, script, tmp_path / "out", font_path], check=True, timeout=180)
    assert contents(tmp_path / "out") == contents(corpus)


def test_a_run_that_was_stopped_goes_on_to_the_same_bytes(corpus, tmp_path, font_path):
    def stop(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    arguments = {"clips": CLIPS, "seed": 3, "seconds": SECONDS, "workers": 1, "soundfonts": [font_path]}
    with pytest.raises(KeyboardInterrupt):
        build_corpus(tmp_path, **arguments, progress=stop)
    assert not (tmp_path / "metadata.jsonl").exists()
    with (tmp_path / "metadata.partial.jsonl").open("a", encoding="utf-8") as partial:
        partial.write('{"file_name": "audio/0000')
    seen: list[int] = []
    build_corpus(tmp_path, **arguments, progress=lambda done, total: seen.append(done))
    assert seen == [4, 5], "clips that were done are not made again"
    assert contents(tmp_path) == contents(corpus)


def test_a_finished_corpus_grows_without_changing_its_first_clips(corpus, tmp_path, font_path):
    arguments = {"seed": 3, "seconds": SECONDS, "workers": 1, "soundfonts": [font_path]}
    build_corpus(tmp_path, clips=2, **arguments)
    build_corpus(tmp_path, clips=CLIPS, **arguments)
    assert contents(tmp_path) == contents(corpus)


def test_asking_for_fewer_clips_than_are_there_leaves_them(corpus, font_path):
    before = contents(corpus)
    build_corpus(corpus, clips=2, seed=3, seconds=SECONDS, workers=1, soundfonts=[font_path])
    assert contents(corpus) == before


def test_another_seed_is_refused_in_the_same_folder(corpus, font_path):
    with pytest.raises(DataError, match=r"holds a corpus of other settings .*seed 3 → 4"):
        build_corpus(corpus, clips=CLIPS, seed=4, seconds=SECONDS, workers=1, soundfonts=[font_path])


def test_every_row_has_the_contracts_fields_and_matches_its_audio(corpus):
    rows = rows_of(corpus)
    assert [row["file_name"] for row in rows] == [f"audio/{index:06d}.flac" for index in range(CLIPS)]
    for row in rows:
        assert set(row) == {
            *("file_name", "text", "captions", "genre", "bpm", "meter", "key", "mode", "drums", "instruments", "mood"),
            *("energy", "quality", "beats", "downbeats", "duration", "sample_rate", "seed", "split"),
            *("production", "sections", "chords", "bass", "melody", "onsets", "channels"),
        }
        assert len(row["chords"]) == len(row["bass"]) == len(row["beats"])
        assert row["sections"][0]["start"] == 0
        assert row["sections"][-1]["end"] == row["duration"]
        assert not set(row["production"]) & {"wide", "narrow"}, "a mono file is neither"
        wave, rate = soundfile.read(corpus / row["file_name"])
        assert rate == row["sample_rate"] == 16000
        assert wave.shape == (round(row["duration"] * rate),)
        assert 0.3 < np.abs(wave).max() <= 1
        assert row["text"] == row["captions"][0]
        assert len(row["captions"]) >= 4
        assert row["genre"] in GENRES
        assert row["split"] == "train"
        assert all(set(part) == {"name", "family", "role"} for part in row["instruments"])
        assert all(0 <= beat < row["duration"] for beat in row["beats"])


def test_a_rows_seed_composes_the_same_clip_again(corpus):
    for row in rows_of(corpus):
        truth = compose(row["seed"], seconds=SECONDS).truth
        assert (truth.genre, truth.bpm, list(truth.beats)) == (row["genre"], row["bpm"], row["beats"])


def test_two_fonts_are_shared_out_by_the_clips_seed_alone(tmp_path, font_path):
    settings = build.ClipSettings(0, SECONDS, 16000, "flac", (str(font_path), str(font_path)))
    maker = ClipMaker(tmp_path, settings)
    maker.fonts[1] = maker.fonts[0]
    forwards = [maker.clip(index)[1] for index in range(3)]
    backwards = [maker.clip(index)[1] for index in (2, 1, 0)]
    for wave, again in zip(forwards, reversed(backwards), strict=True):
        np.testing.assert_array_equal(wave, again)


def test_wanted_genres_are_composed_in_turn(tmp_path, font_path):
    genres = ["metal", "bossa nova"]
    build_corpus(tmp_path, clips=3, seconds=1.0, workers=1, soundfonts=[font_path], genres=genres)
    assert [row["genre"] for row in rows_of(tmp_path)] == ["metal", "bossa nova", "metal"]
    with pytest.raises(DataError, match=r"genres \['metal', 'bossa nova'\] → \[\]"):
        build_corpus(tmp_path, clips=3, seconds=1.0, soundfonts=[font_path])


def test_a_mono_corpus_is_the_mid_of_the_stereo_one_and_stems_lie_beside_the_clips(tmp_path, font_path):
    arguments = {"clips": 2, "seconds": 1.0, "sample_rate": 44100, "workers": 1, "soundfonts": [font_path]}
    build_corpus(tmp_path / "mono", **arguments)
    build_corpus(tmp_path / "stereo", **arguments, channels=2, stems=True)
    for mono, stereo in zip(rows_of(tmp_path / "mono"), rows_of(tmp_path / "stereo"), strict=True):
        assert (mono["channels"], stereo["channels"]) == (1, 2)
        assert "stems" not in mono
        mid, rate = soundfile.read(tmp_path / "mono" / mono["file_name"])
        sides, _ = soundfile.read(tmp_path / "stereo" / stereo["file_name"])
        assert rate == 44100
        assert sides.shape == (44100, 2)
        np.testing.assert_allclose(mid, sides.mean(axis=1), atol=1e-4)
        assert set(stereo["stems"]) == {part["role"] for part in stereo["instruments"]} | {"rest"}
        stems = sum(soundfile.read(tmp_path / "stereo" / name)[0] for name in stereo["stems"].values())
        if stereo["quality"] == "clean":
            np.testing.assert_allclose(stems, sides, atol=len(stereo["stems"]) * 2**-15)


def test_each_font_is_found_by_its_own_name(monkeypatch, tmp_path):
    folders = tuple(tmp_path / name for name in ("sf2", "opt", "sf3"))
    monkeypatch.setattr(soundfonts, "font_folders", lambda: folders)
    for folder, name in zip(folders, soundfonts.FONT_NAMES, strict=True):
        folder.mkdir()
        (folder / name).touch()
    found = soundfonts.find_soundfonts()
    assert found == tuple(folder / name for folder, name in zip(folders, soundfonts.FONT_NAMES, strict=True))


def test_without_a_font_the_packages_are_named(monkeypatch, tmp_path):
    monkeypatch.setattr(soundfonts, "font_folders", lambda: (tmp_path / "none",))
    monkeypatch.setattr(soundfonts.sys, "platform", "linux")
    monkeypatch.setattr(soundfonts, "_DEBIAN", tmp_path)
    with pytest.raises(DataError, match="apt-get install fluid-soundfont-gm musescore-general-soundfont-lossless"):
        build_corpus(tmp_path / "out", clips=1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"clips": 0}, "clips 0: at least 1"),
        ({"clips": 1, "audio_format": "mp3"}, "unknown audio format 'mp3': choose one of flac, wav"),
        ({"clips": 1, "sample_rate": 100}, "sample rate 100: from 8000 to 48000 Hz"),
        ({"clips": 1, "channels": 3}, "unknown channels '3': choose one of 1, 2"),
        ({"clips": 1, "seed": -2}, "seed -2: a whole number"),
        ({"clips": 1, "seconds": 0.5}, "seconds 0.5: from 1 to 600"),
        ({"clips": 1, "genres": ["hyperpop"]}, "unknown genre .hyperpop.: choose one of afrobeat"),
    ],
)
def test_settings_without_meaning_are_refused_before_anything_is_written(tmp_path, arguments, message):
    font = tmp_path / "any.sf2"
    font.touch()
    with pytest.raises(InvalidInputError, match=message):
        build_corpus(tmp_path / "out", soundfonts=[font], **arguments)
    assert not (tmp_path / "out").exists()
