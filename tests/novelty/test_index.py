"""An index of a few synthetic pieces: what is in it, what is refused, and what checks against it say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from musicldm.audio import Wave
from musicldm.errors import CheckpointError, DataError, InvalidInputError
from musicldm.events import Event, Progress
from musicldm.listeners.embedders import open_embedder
from musicldm.novelty import vectors
from musicldm.novelty.build import BuildOptions, build_index
from musicldm.novelty.check import check
from musicldm.novelty.clips import IndexedClip, read_clips, write_beats, write_clips
from musicldm.novelty.features import Cutting
from musicldm.novelty.index import SEGMENTS, WHOLE, NoveltyIndex, open_index, write_features
from tests.tiny_music import RATE, melody, save, tiny_embedder

BEATS = [0.25 + 0.5 * beat for beat in range(11)]
OPTIONS = BuildOptions(Cutting(seconds=6.0), calibrated=10)


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("novelty") / "train"
    save(folder, [melody(seed) for seed in range(10)], beats=BEATS, downbeats=BEATS[::4])
    return folder


@pytest.fixture(scope="module")
def index(training: Path) -> NoveltyIndex:
    return build_index(training, training.parent / "index", tiny_embedder(), OPTIONS)


def test_the_manifest_says_what_is_there(index: NoveltyIndex, training: Path) -> None:
    manifest = json.loads((index.folder / "manifest.json").read_text())
    assert (manifest["clips"], manifest["segments"], manifest["with_beats"]) == (10, 30, 10)
    assert manifest["embedder"]["weights"] == "0123456789abcdef"
    assert set(manifest["files"]) == {path.name for path in index.folder.iterdir()} - {"manifest.json"}
    assert manifest["source"] == str(training)
    assert [clip.source for clip in index.clips] == [f"{number}.wav" for number in range(10)]
    assert index.clips[3].beats == tuple(BEATS)
    assert index.clips[3].downbeats == tuple(BEATS[::4])


def test_beats_come_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    clips = []
    for number, count in enumerate((0, 1, 2, 40, 0, 7)):
        beats = np.round(np.sort(rng.uniform(0, 3000, count)), 3)
        clips.append(
            IndexedClip(f"{number}.wav", 1.5 * number, 10.0, tuple(beats.tolist()), tuple(beats[::3].tolist()))
        )
    write_clips(clips, tmp_path / "clips")
    write_beats(clips, tmp_path / "beats")
    assert read_clips(tmp_path / "clips", tmp_path / "beats") == clips
    written = (tmp_path / "beats").read_bytes()
    write_beats(clips, tmp_path / "beats")
    assert (tmp_path / "beats").read_bytes() == written


def test_the_same_training_set_gives_the_same_identity(index: NoveltyIndex, training: Path, tmp_path: Path) -> None:
    assert build_index(training, tmp_path / "again", tiny_embedder(), OPTIONS).identity == index.identity
    other = build_index(training, tmp_path / "other", tiny_embedder(weights="f" * 16), OPTIONS)
    assert other.identity != index.identity


def test_a_compact_index_makes_its_inverted_file_once(
    training: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    folder, whole = tmp_path / "small", tmp_path / "whole"
    build_index(training, folder, tiny_embedder(), replace(OPTIONS, compact=True))
    build_index(training, whole, tiny_embedder(), OPTIONS)
    expected, made = open_index(whole).landmarks, open_index(folder).landmarks
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "caches").rglob("*.npy")}
    kept = open_index(folder).landmarks
    assert isinstance(kept.clips, np.memmap)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "caches").rglob("*.npy")} == times
    for name in ("starts", "clips", "frames"):
        assert np.array_equal(getattr(made, name), getattr(expected, name))
        assert np.array_equal(getattr(kept, name), getattr(expected, name))


def test_a_compact_index_is_calibrated_by_itself(
    training: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two are made one after the other with one cache; neither has an identity yet when it is calibrated."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    build_index(training, tmp_path / "small", tiny_embedder(), replace(OPTIONS, compact=True))
    save(tmp_path / "more", [melody(seed) for seed in (40, 41, 42, 41)])
    calibrations = [
        build_index(tmp_path / "more", tmp_path / name, tiny_embedder(), replace(OPTIONS, compact=compact)).calibration
        for name, compact in (("whole", False), ("other", True))
    ]
    assert calibrations[0].evidence == calibrations[1].evidence
    assert calibrations[0].evidence[-1] > 20


def test_a_cache_that_cannot_be_written_does_not_matter(
    training: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    build_index(training, tmp_path / "small", tiny_embedder(), replace(OPTIONS, compact=True))
    assert len(open_index(tmp_path / "small").landmarks.clips)


def test_a_compact_index_finds_as_much(index: NoveltyIndex, training: Path, tmp_path: Path) -> None:
    small = build_index(training, tmp_path / "small", tiny_embedder(), replace(OPTIONS, compact=True))
    assert sum(file["bytes"] for file in small.manifest["files"].values()) < 0.5 * sum(
        file["bytes"] for file in index.manifest["files"].values()
    )
    assert all(
        np.array_equal(getattr(small.landmarks, name), getattr(index.landmarks, name))
        for name in ("starts", "clips", "frames")
    )
    report = check(small, melody(4), RATE, tiny_embedder())
    assert (report.verdict, report.copied.place.source) == ("copy", "4.wav")


@pytest.mark.parametrize("compact", [False, True])
def test_a_compact_index_takes_fewer_bytes_a_clip(compact: bool, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    count = vectors.FEW
    points = rng.standard_normal((count, 32)).astype(np.float32)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    clips = [IndexedClip(f"{number}.wav", 0.0, 3.0) for number in range(count)]
    nothing = [np.zeros((0, 2), np.int32)] * count, [np.zeros(0, np.uint8)] * count
    write_features(tmp_path, clips, (points, points), *nothing, compact=compact)
    sizes = [vectors.open_vectors(tmp_path / name).sa_code_size() for name in (WHOLE, SEGMENTS)]
    assert sizes == ([24, 6] if compact else [32, 32])


def noise_like(wave: Wave) -> Wave:
    """White noise whose mel bands are as loud as those of a wave at any time: a vocoder that knows no pitches."""
    librosa = pytest.importorskip("librosa")
    noise = np.random.default_rng(0).standard_normal(len(wave)).astype(np.float32)
    own, made = (librosa.stft(one, n_fft=1024, hop_length=160) for one in (wave, noise))
    filters = librosa.filters.mel(sr=RATE, n_fft=1024, n_mels=64, norm=None)
    gains = np.sqrt((filters @ np.abs(own) ** 2) / (filters @ np.abs(made) ** 2 + 1e-9))
    spread = (filters.T @ gains) / (filters.sum(axis=0)[:, None] + 1e-3)
    return np.asarray(librosa.istft(made * spread, hop_length=160, length=len(wave)), np.float32)


def test_music_made_anew_from_its_mel_bands_is_a_copy(tmp_path: Path) -> None:
    save(tmp_path / "train", [melody(seed, 10.0) for seed in range(6)], beats=BEATS, downbeats=BEATS[::4])
    made = build_index(tmp_path / "train", tmp_path / "index", tiny_embedder(), BuildOptions(calibrated=6))
    report = check(made, noise_like(melody(3, 10.0)[RATE:]), RATE, tiny_embedder())
    assert (report.verdict, report.copied.by, report.copied.place.source) == ("copy", "outline", "3.wav")
    assert (report.copied.start, report.copied.place.start) == pytest.approx((0.0, 1.0), abs=0.05)
    assert report.copied.place.bars == pytest.approx((1 + (1.0 - 0.25) / 2, 1 + (10.0 - 0.25) / 2), abs=0.05)
    assert report.sentence.startswith("copy: the outline of the sound from 0.0 to 9.0 s agrees in ")


def test_a_copy_is_reported_with_its_place_and_bars(index: NoveltyIndex) -> None:
    report = check(index, melody(7)[2 * RATE : 5 * RATE], RATE, tiny_embedder())
    assert report.verdict == "copy"
    place = report.copied.place
    assert place.source == "7.wav"
    assert (place.start, place.end) == pytest.approx((2.0, 5.0), abs=0.07)
    # the first bar begins at 0.25 s and lasts 2 s
    assert place.bars == pytest.approx((1 + (2.0 - 0.25) / 2, 1 + (5.0 - 0.25) / 2), abs=0.04)
    assert (report.copied.start, report.copied.end) == pytest.approx((0.0, 3.0), abs=0.07)
    assert report.sentence.startswith("copy: ")
    assert "7.wav from 2.0 to 5.0 s (bars 1 to 3)" in report.sentence


def test_a_piece_of_the_training_set_is_its_own_nearest(index: NoveltyIndex) -> None:
    report = check(index, melody(2), RATE, tiny_embedder(), 3)
    assert report.nearest[0].place.source == "2.wav"
    assert report.similarity == pytest.approx(1.0, abs=0.01)
    assert report.percentile > 99
    assert [one.place.source for one in report.passages] == ["2.wav"] * 3
    assert [(one.start, one.place.start) for one in report.passages] == [(0.0, 0.0), (1.5, 1.5), (3.0, 3.0)]


def test_new_music_is_no_copy(index: NoveltyIndex) -> None:
    verdicts = [check(index, melody(seed), RATE, tiny_embedder()).verdict for seed in (50, 51, 52)]
    assert "copy" not in verdicts


def test_a_copy_at_the_end_of_a_long_piece_is_found(index: NoveltyIndex) -> None:
    long = np.concatenate([melody(60), melody(61), melody(5)])
    report = check(index, long, RATE, tiny_embedder())
    assert (report.verdict, report.copied.place.source) == ("copy", "5.wav")
    assert report.copied.start == pytest.approx(12.0, abs=0.1)


def test_nearest_clips_are_those_of_brute_force(index: NoveltyIndex) -> None:
    embed = tiny_embedder().audio
    training, queries = (
        embed(np.stack([melody(s) for s in range(10)])),
        embed(np.stack([melody(s) for s in (1, 70, 71)])),
    )
    (near, numbers), cosines = index.nearest_clips(queries, 2), queries @ training.T
    assert near == pytest.approx(-np.sort(-cosines, axis=1)[:, :2], abs=0.01)
    assert numbers[:, 0].tolist() == cosines.argmax(axis=1).tolist()


def test_calibration_compares_no_clips_of_one_file(tmp_path: Path) -> None:
    # each file holds its clip twice: nearest is the twin, which does not count
    save(tmp_path / "train", [np.concatenate([melody(seed)] * 2) for seed in range(4)])
    found = build_index(tmp_path / "train", tmp_path / "index", tiny_embedder(), OPTIONS)
    assert len(found.clips) == 8
    assert found.calibration.similarities[-1] < 0.999
    assert found.calibration.evidence[-1] < 60


def test_an_index_is_never_overwritten(index: NoveltyIndex, training: Path) -> None:
    with pytest.raises(InvalidInputError, match="index is there already: choose another place"):
        build_index(training, index.folder, tiny_embedder(), OPTIONS)


def test_a_stopped_run_leaves_nothing(training: Path, tmp_path: Path) -> None:
    def stop(event: Event) -> None:
        if isinstance(event, Progress) and event.what != "Listening":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_index(training, tmp_path / "index", tiny_embedder(), OPTIONS, listen=stop)
    assert list(tmp_path.iterdir()) == []


def test_one_file_is_not_enough_to_know_what_is_usual(tmp_path: Path) -> None:
    save(tmp_path / "train", [melody(0, 12.0)])
    with pytest.raises(DataError, match="all clips are of one file"):
        build_index(tmp_path / "train", tmp_path / "index", tiny_embedder(), OPTIONS)


def test_a_damaged_index_is_refused(training: Path, tmp_path: Path) -> None:
    made = build_index(training, tmp_path / "index", tiny_embedder(), replace(OPTIONS, compact=True))
    content = bytearray((made.folder / "peaks.npz").read_bytes())
    content[len(content) // 2] ^= 1
    (made.folder / "peaks.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"peaks.npz is missing or damaged: build the index again"):
        open_index(made.folder)


def test_another_embedder_under_the_name_is_refused(index: NoveltyIndex, tiny_model_dir: Path) -> None:
    named = {**index.manifest["embedder"], "opened_as": str(tiny_model_dir)}
    with pytest.raises(CheckpointError, match="which is another one now"):
        replace(index, manifest={**index.manifest, "embedder": named}).embedder("cpu")
    weights = open_embedder(str(tiny_model_dir), device="cpu").identity.weights
    same = replace(index, manifest={**index.manifest, "embedder": {**named, "weights": weights}})
    assert same.embedder("cpu").identity.weights == weights


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no novelty index there: musicldm novelty index TRAIN --out"),
        ('{"kind": "novelty index", "format": 99}', "format 99, this version reads 3"),
        ('{"format": 2}', "is no manifest of a novelty index"),
        ("no json", "is no manifest of a novelty index"),
    ],
)
def test_what_is_no_index_is_refused(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(DataError, match=message):
        open_index(tmp_path)


@pytest.mark.parametrize(("segment", "hop"), [(7.0, 1.0), (3.0, 4.0), (3.0, 0.5)])
def test_a_cutting_that_makes_no_sense_is_refused(segment: float, hop: float) -> None:
    with pytest.raises(InvalidInputError, match="valid is 1 <= hop <= segment <= clip <= 600"):
        Cutting(6.0, segment, hop)


def test_the_end_of_a_clip_is_in_a_segment() -> None:
    cutting = Cutting()
    assert cutting.segments(10.24) == pytest.approx([0, 1.5, 3, 4.5, 6, 7.24])
    assert cutting.segments(6.1) == [0, 1.5, 3]
    assert cutting.segments(2.0) == [0]
    assert cutting.pieces(10.24) == [0]
    assert cutting.pieces(18.0) == pytest.approx([0, 5.12, 7.76])


def test_too_short_a_sound_is_refused(index: NoveltyIndex) -> None:
    with pytest.raises(InvalidInputError, match=r"0.50 s of sound: at least 1 s is needed"):
        check(index, melody(0)[: RATE // 2], RATE, tiny_embedder())
