"""From folders to prepared data: what is cut, what is left out, and what a second run does."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from musicldm.audio.mel import log_mel
from musicldm.data import cutting, shards
from musicldm.data.manifest import PrepareSettings
from musicldm.data.prepare import Prepared, prepare
from musicldm.data.store import ClipStore
from musicldm.errors import DataError, InvalidInputError

from .conftest import HERE, SETTINGS, contents, manifest, report, tone, tones, write_tone


def run(src: Path, out: Path, settings: PrepareSettings = SETTINGS, **options: object) -> Prepared:
    return prepare(src, out, settings, pool=HERE, **options)


@dataclass(frozen=True)
class Heard:
    beats: tuple[float, ...] = (0.25, 0.75, 1.25, 1.75)
    downbeats: tuple[float, ...] = (0.25, 1.25)
    tempo: float = 120.0
    meter: int = 2


def fake_tracker() -> Callable[[np.ndarray, int], Heard]:
    def track(wave: np.ndarray, rate: int) -> Heard:
        assert (len(wave), rate) == (40000, 16000), "the whole file is heard at once"
        return Heard()

    return track


def test_a_file_is_cut_into_clips_and_a_last_half_is_kept(tmp_path: Path) -> None:
    src = tmp_path / "src"
    for name, seconds in (("a", 2.7), ("b", 2.4)):
        write_tone(src / f"{name}.wav", seconds)
        (src / f"{name}.txt").write_text(name)
    made = run(src, tmp_path / "out", replace(SETTINGS, normalize="none"))
    store = ClipStore(tmp_path / "out")
    assert [(row.source, row.fields["start"], row.fields["seconds"]) for row in store.rows] == [
        ("a.wav", 0.0, 1.0), ("a.wav", 1.0, 1.0), ("a.wav", 2.0, 0.7), ("b.wav", 0.0, 1.0), ("b.wav", 1.0, 1.0),
    ]  # fmt: skip
    sound, _ = soundfile.read(src / "a.wav", dtype="float32")
    padded = np.concatenate([sound, np.zeros(4800, np.float32)]).reshape(3, 16000)
    np.testing.assert_array_equal(store.waves[[0, 1, 2]], np.round(padded * 32767).astype(np.int16))
    for clip in range(3):
        expected = log_mel(torch.from_numpy(padded[clip])).numpy()
        np.testing.assert_allclose(store.mels[clip].astype(np.float32), expected, atol=5e-3)
    np.testing.assert_allclose(store.wave(0), padded[0], atol=2e-5)
    assert made.hours == pytest.approx(4.7 / 3600, abs=1e-6)
    assert (made.clips, made.sources, dict(made.left_out)) == (5, 2, {})


@pytest.mark.parametrize(("samples", "clips"), [(8000, 1), (7999, 0), (12000, 1)])
def test_a_file_shorter_than_a_clip_is_kept_from_half_of_one_on(tmp_path: Path, samples: int, clips: int) -> None:
    src = tones(tmp_path / "src", 1)
    soundfile.write(src / "short.wav", tone(1.0, 440)[:samples], 16000)
    (src / "short.txt").write_text("short")
    made = run(src, tmp_path / "out")
    kept = [row.fields["seconds"] for row in ClipStore(tmp_path / "out").rows if row.source == "short.wav"]
    assert kept == [samples / 16000] * clips
    assert dict(made.left_out) == ({} if clips else {"too short": 1})


def test_the_level_belongs_to_the_file_and_not_to_the_clip(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    wave = np.concatenate([tone(1, 440, peak=0.1), tone(1, 440, peak=0.2)])
    soundfile.write(tmp_path / "src" / "a.wav", wave, 16000, subtype="FLOAT")
    (tmp_path / "src" / "a.txt").write_text("louder and louder")
    run(tmp_path / "src", tmp_path / "out")
    store = ClipStore(tmp_path / "out")
    assert [float(np.abs(store.wave(clip)).max()) for clip in (0, 1)] == pytest.approx([0.25, 0.5], abs=1e-3)


def test_what_is_left_out_stands_in_the_report_and_stops_nothing(tmp_path: Path) -> None:
    src = tones(tmp_path / "src", 2)
    write_tone(src / "no_words.wav")
    write_tone(src / "short.wav", 0.4)
    soundfile.write(src / "silent.wav", np.full(16000, 1e-4), 16000)
    (src / "corrupt.mp3").write_bytes(b"no sound" * 100)
    pause = np.concatenate([tone(1, 440), np.zeros(16000, np.float32), tone(1, 440)])
    soundfile.write(src / "pause.wav", pause, 16000)
    for name in ("short", "silent", "corrupt", "pause"):
        (src / f"{name}.txt").write_text(name)
    made = run(src, tmp_path / "out")
    found = {(entry["file"], entry["reason"], entry.get("start")) for entry in report(tmp_path / "out")}
    assert found == {
        ("no_words.wav", "no caption", None), ("short.wav", "too short", None), ("silent.wav", "silent", None),
        ("corrupt.mp3", "corrupt", None), ("pause.wav", "silent", 1.0),
    }  # fmt: skip
    assert dict(made.left_out) == {"no caption": 1, "too short": 1, "silent": 2, "corrupt": 1}
    assert {row.source for row in ClipStore(tmp_path / "out").rows} == {"00.wav", "01.wav", "pause.wav"}
    assert run(src, tmp_path / "out").worked_on == 0, "what was left out once is not tried again"


def test_a_folder_of_nothing_but_faults_is_an_error_with_a_report(tmp_path: Path) -> None:
    write_tone(tmp_path / "src" / "a.wav", 0.1)
    (tmp_path / "src" / "a.txt").write_text("a")
    with pytest.raises(DataError, match=r"gave no clip \(1 too short\): see .*report\.jsonl"):
        run(tmp_path / "src", tmp_path / "out")
    assert report(tmp_path / "out")[0]["file"] == "a.wav"
    with pytest.raises(DataError, match="holds no clips"):
        ClipStore(tmp_path / "out")


def test_a_bare_folder_is_warned_of_and_takes_genres_from_tags(tmp_path: Path) -> None:
    path = tmp_path / "src" / "Late Night" / "a.flac"
    path.parent.mkdir(parents=True)
    with soundfile.SoundFile(path, "w", 16000, 1) as sound:
        sound.genre, sound.title, sound.artist = "Dub; late night", "A song", "Somebody"
        sound.write(tone(1, 440))
    with pytest.warns(UserWarning, match="has no captions"):
        run(tmp_path / "src", tmp_path / "out")
    (row,) = ClipStore(tmp_path / "out").rows
    assert [caption.lower() for caption in row.captions] == ["dub, late night"]
    assert (row.fields["title"], row.fields["artist"]) == ("A song", "Somebody")


@pytest.mark.parametrize("beats", ["metadata", "auto", "model", "none"])
@pytest.mark.parametrize("known", [True, False])
def test_beats_are_the_files_or_the_trackers_cut_with_the_sound(tmp_path: Path, beats: str, known: bool) -> None:
    write_tone(tmp_path / "src" / "a.wav", 2.5)
    row = {"file_name": "a.wav", "text": "a", "meter": "3/4"}
    if known:
        row |= {"beats": [0.1, 0.6, 1.1, 2.6], "downbeats": [0.6]}
    (tmp_path / "src" / "metadata.jsonl").write_text(json.dumps(row), encoding="utf-8")
    run(tmp_path / "src", tmp_path / "out", replace(SETTINGS, beats=beats), tracker=fake_tracker)
    rows = ClipStore(tmp_path / "out").rows
    got = [(row.fields.get("beats"), row.fields.get("downbeats")) for row in rows]
    if known and beats in ("metadata", "auto"):
        assert got == [([0.1, 0.6], [0.6]), ([0.1], []), ([0.6], [])]
    elif beats in ("auto", "model"):
        assert got == [([0.25, 0.75], [0.25]), ([0.25, 0.75], [0.25]), ([], [])]
        assert (rows[0].fields["tempo"], rows[0].fields["meter"]) == (120.0, "3/4")
    else:
        assert got == [(None, None)] * 3


def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    seen: list[str] = []
    original = cutting.clips_of

    def clips_of(source, *arguments):
        seen.append(source.name)
        return original(source, *arguments)

    monkeypatch.setattr(shards, "clips_of", clips_of)
    return seen


@pytest.mark.parametrize("change", ["nothing", "add", "change", "caption", "delete", "rename"])
def test_a_second_run_does_what_is_new_and_leaves_what_a_first_run_would(
    tmp_path: Path, change: str, monkeypatch: pytest.MonkeyPatch, small_shards: None
) -> None:
    src = tones(tmp_path / "src", 12)
    write_tone(src / "03.wav", 0.2)
    run(src, tmp_path / "out")
    seen = counted(monkeypatch)
    if change == "add":
        write_tone(src / "05b.wav")
        (src / "05b.txt").write_text("in between")
    elif change == "change":
        write_tone(src / "05.wav", 2.5, 1000)
    elif change == "caption":
        (src / "05.txt").write_text("other words")
    elif change == "delete":
        (src / "05.wav").unlink()
    elif change == "rename":
        (src / "05.wav").rename(src / "99.wav")
        (src / "05.txt").rename(src / "99.txt")
    run(src, tmp_path / "out")
    done = {"nothing": [], "add": ["05b.wav"], "delete": [], "rename": ["99.wav"]}.get(change, ["05.wav"])
    assert seen == done
    run(src, tmp_path / "fresh")
    assert contents(tmp_path / "out") == contents(tmp_path / "fresh")
    if change == "delete":
        assert "05.wav" not in {row.source for row in ClipStore(tmp_path / "out").rows}


def test_other_settings_make_all_of_it_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    src = tones(tmp_path / "src", 3)
    run(src, tmp_path / "out")
    seen = counted(monkeypatch)
    run(src, tmp_path / "out", replace(SETTINGS, normalize="none"))
    assert len(seen) == 3
    assert len(list((tmp_path / "out" / "shards").iterdir())) == len(manifest(tmp_path / "out")["shards"])


def test_a_manifest_describes_each_file_as_it_is(tmp_path: Path, small_shards: None) -> None:
    import hashlib

    run(tones(tmp_path / "src", 6), tmp_path / "out")
    found = manifest(tmp_path / "out")
    assert len(found["shards"]) > 1
    clips = captions = 0
    for shard in found["shards"]:
        folder = tmp_path / "out" / "shards" / shard["name"]
        assert {path.name for path in folder.iterdir()} == {"shard.json", *shard["files"]}
        for name, about in shard["files"].items():
            assert about["sha256"] == hashlib.sha256((folder / name).read_bytes()).hexdigest()
            if name.endswith(".npy"):
                array = np.load(folder / name)
                assert (str(array.dtype), list(array.shape)) == (about["dtype"], about["shape"])
                assert name.removesuffix(".npy") in found["arrays"]
        lines = (folder / "clips.jsonl").read_text(encoding="utf-8").splitlines()
        clips, captions = clips + len(lines), captions + sum(len(json.loads(line)["captions"]) for line in lines)
    assert (found["clips"], found["captions"], found["files"]) == (clips, captions, 6)
    assert all(len(line) < 400 for line in json.dumps(found, indent=1).splitlines())


def test_every_file_lies_in_one_shard_whatever_others_there_are() -> None:
    sources = [shards.Source(f"{index:04}.wav", "", None, 400_000, (), {}) for index in range(2000)]
    groups = list(shards.shard_groups(sources))
    assert [source for group in groups for source in group] == sources
    sizes = [sum(source.size for source in group) for group in groups]
    assert np.mean(sizes) == pytest.approx(shards.SHARD_BYTES, rel=0.3)
    fewer = list(shards.shard_groups(sources[:1000] + sources[1001:]))
    assert len([group for group in fewer if group not in groups]) <= 2


def test_what_a_folder_holds_that_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    src = tones(tmp_path / "src", 1)
    with pytest.raises(InvalidInputError, match=r"out is inside .*src: choose a folder beside it"):
        run(src, src / "out")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(DataError, match=r"mine holds thesis\.txt and is not prepared data"):
        run(src, tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_a_broken_shard_is_made_again(tmp_path: Path, small_shards: None) -> None:
    src = tones(tmp_path / "src", 4)
    run(src, tmp_path / "out")
    before = contents(tmp_path / "out")
    (next((tmp_path / "out" / "shards").iterdir()) / "shard.json").unlink()
    unfinished = tmp_path / "out" / "work" / "0123456789abcdef.a1b2c3d4"
    unfinished.mkdir(parents=True)
    (unfinished / "waves.npy").touch()
    (unfinished.parent / "0123456789abcdef.jsonl").touch()
    run(src, tmp_path / "out")
    assert contents(tmp_path / "out") == before
    assert not unfinished.parent.exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"normalize": "loud"}, "unknown normalisation 'loud': choose one of peak, loudness, none"),
        ({"beats": "mine"}, "unknown source of beats 'mine': choose one of auto, model, metadata, none"),
        ({"seconds": 0.01}, "clips of 0.01 s: valid is 0.064 to 600"),
    ],
)
def test_settings_without_meaning_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        replace(SETTINGS, **changes)


def test_a_store_takes_parts_and_asks_for_what_is_missing(tmp_path: Path, small_shards: None) -> None:
    run(tones(tmp_path / "src", 6), tmp_path / "out")
    store = ClipStore(tmp_path / "out")
    part = store.part(slice(1, None, 2)).part([2, 0])
    assert [row.source for row in part.rows] == [store.rows[5].source, store.rows[1].source]
    np.testing.assert_array_equal(part.waves, store.waves[[5, 1]])
    np.testing.assert_array_equal(part.array("mels"), store.mels[[5, 1]])
    with pytest.raises(
        DataError, match=rf"has no latents-0 .*: musicldm prepare {tmp_path}/src --out .* --model MODEL"
    ):
        store.array("latents-0")
    with pytest.raises(DataError, match="has no field 'genre'"):
        store.attribute("genre")
    with pytest.raises(DataError, match="was prepared with MelSpec"):
        ClipStore(tmp_path / "out", replace(SETTINGS.spec, n_mels=128))


def test_a_folder_may_be_moved(tmp_path: Path) -> None:
    run(tones(tmp_path / "src", 2), tmp_path / "out")
    shutil.move(tmp_path / "out", tmp_path / "elsewhere")
    assert len(ClipStore(tmp_path / "elsewhere")) == 4
