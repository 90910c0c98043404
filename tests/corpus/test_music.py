"""Composed clips heard by independent tools: librosa's beat tracker, mir_eval's measures, chroma with key profiles."""

import numpy as np
import pytest

from musicldm.corpus.composing.arrangement import compose
from musicldm.corpus.composing.score import Score
from musicldm.corpus.sound.rendering import render
from musicldm.corpus.sound.soundfont import SoundFont
from musicldm.corpus.truth import KEYS

librosa = pytest.importorskip("librosa")
mir_eval = pytest.importorskip("mir_eval")

RATE, HOP = 16000, 160
# Krumhansl and Kessler (1982): how well each pitch class fits a major and a minor key.
MAJOR = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
MINOR = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)


def clips(genres: tuple[str, ...], count: int, *, drums: bool | None = None) -> list[Score]:
    """The first scores of these genres, taken in turn."""
    found: list[Score] = []
    for seed in range(1000, 1400):
        score = compose(seed, genre=genres[len(found) % len(genres)])
        if score.truth.meter == "4/4" and (drums is None or score.truth.drums == drums):
            found.append(score)
        if len(found) == count:
            return found
    raise AssertionError("too few clips")


def onsets(score: Score, font: SoundFont) -> np.ndarray:
    return librosa.onset.onset_strength(y=render(score, font), sr=RATE, hop_length=HOP)


def test_a_beat_tracker_finds_the_tempo_up_to_an_octave(font):
    right = []
    for score in clips(("house", "country", "hip hop", "funk", "synthwave", "reggae"), 12, drums=True):
        tempo, _ = librosa.beat.beat_track(onset_envelope=onsets(score, font), sr=RATE, hop_length=HOP)
        ratio = float(np.atleast_1d(tempo)[0]) / score.truth.bpm
        right.append(any(abs(ratio * factor - 1) < 0.04 for factor in (0.5, 1, 2)))
    assert np.mean(right) >= 0.9


def test_a_beat_tracker_finds_the_beats(font):
    scores = []
    for score in clips(("rock", "hip hop", "country"), 9, drums=True):
        _, beats = librosa.beat.beat_track(
            onset_envelope=onsets(score, font), sr=RATE, hop_length=HOP, bpm=score.truth.bpm, units="time"
        )
        scores.append(mir_eval.beat.f_measure(np.array(score.truth.beats), np.asarray(beats), 0.05))
    assert np.mean(scores) >= 0.75


def key_of(wave: np.ndarray) -> str:
    """The key whose profile correlates best with the clip's mean chroma."""
    chroma = librosa.feature.chroma_stft(y=wave, sr=RATE, n_fft=4096, hop_length=2048, tuning=0.0).mean(axis=1)
    scores = {
        f"{KEYS[tonic]} {mode}": np.corrcoef(np.roll(profile, tonic), chroma)[0, 1]
        for tonic in range(12)
        for mode, profile in (("major", MAJOR), ("minor", MINOR))
    }
    return max(scores, key=lambda key: scores[key])


def test_key_profiles_hear_the_key(font):
    """mir_eval's weighted score: 1 right, 0.5 a fifth off, 0.3 relative, 0.2 parallel; about 0.1 by chance."""
    scores = []
    for score in clips(("country", "classical", "celtic", "hip hop", "reggae", "synthwave"), 24):
        mode = "minor" if score.truth.mode in ("minor", "dorian", "phrygian") else "major"
        reference = f"{score.truth.key} {mode}"
        scores.append(mir_eval.key.weighted_score(reference, key_of(render(score, font))))
    assert np.mean(scores) >= 0.6
