"""Outlines: their bits, what they survive, and how clips are found by them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from musicldm.audio import Wave
from musicldm.novelty.fingerprint import peaks_of
from musicldm.novelty.index import AllOutlines
from musicldm.novelty.outline import (
    KEPT,
    STEPS_PER_SECOND,
    Outline,
    agreement,
    best_outlined,
    build_words,
    outline_of,
)
from tests.tiny_music import RATE, melody

STEP = RATE // STEPS_PER_SECOND


@pytest.fixture(scope="module")
def kept() -> list[Outline]:
    return [outline_of(melody(seed), RATE)[::KEPT] for seed in range(10)]


def made_anew(wave: Wave) -> Wave:
    """A wave from its mel bands alone, by Griffin and Lim's algorithm: phases and the pitch within a band are lost."""
    librosa = pytest.importorskip("librosa")
    bands = librosa.feature.melspectrogram(y=wave, sr=RATE, n_fft=1024, hop_length=160, n_mels=64)
    made = librosa.feature.inverse.mel_to_audio(bands, sr=RATE, n_fft=1024, hop_length=160, n_iter=8)
    return np.asarray(made, np.float32)


def test_the_bits_are_the_signs_of_cosines() -> None:
    """SciPy's transform of a patch, at a step in the middle of a piece."""
    from scipy.fft import dctn

    from musicldm.audio.mel import MelSpec, log_mel

    wave = melody(5)
    mel = log_mel(torch.from_numpy(wave), MelSpec()).numpy()
    mel = np.maximum(mel, np.log(np.exp(mel).mean()) - 6)
    levels = mel[:600].reshape(300, 2, 16, 4).mean(axis=(1, 3))
    smooth = np.stack([levels[max(step - 2, 0) : step + 2].mean(axis=0) for step in range(300)])
    patch = (smooth - levels.mean(axis=0))[150 + np.arange(-16, 17, 4)]
    over_time = dctn(patch)
    wanted = [over_time[at] for at in ((0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (0, 1), (0, 2), (1, 1))]
    assert f"{outline_of(wave)[150]:08b}"[::-1] == "".join("1" if one > 0 else "0" for one in wanted)


def test_loudness_does_not_change_the_outline() -> None:
    wave = melody(1)
    assert np.array_equal(outline_of(wave), outline_of(0.25 * wave))


def test_music_made_anew_from_its_bands_is_found(kept: list[Outline]) -> None:
    words = build_words(kept)
    for seed in (2, 7):
        wave = made_anew(melody(seed))
        assert len({tuple(one) for one in peaks_of(wave)} & {tuple(one) for one in peaks_of(melody(seed))}) < 40
        found = best_outlined(outline_of(wave), words, kept.__getitem__)
        assert found is not None
        assert found.clip == seed
        assert abs(found.offset) <= 2
        assert found.share > 0.8
        new = best_outlined(outline_of(melody(100 + seed)), words, kept.__getitem__)
        assert new is None or new.score < 3 < 4.5 < found.score


def test_a_piece_that_begins_later_is_found_there(kept: list[Outline]) -> None:
    found = best_outlined(outline_of(melody(4)[37 * STEP :]), build_words(kept), kept.__getitem__)
    assert found is not None
    assert found.clip == 4
    assert found.offset == pytest.approx(37, abs=1)


def test_what_two_clips_share_counts_half(kept: list[Outline]) -> None:
    """The runner-up's agreement is taken off by half; one below 6 counts as 6."""
    query = outline_of(melody(4))
    alone = best_outlined(query, build_words(kept), kept.__getitem__)
    twice = [*kept, kept[4]]
    double = best_outlined(query, build_words(twice), twice.__getitem__)
    most = (8 * len(kept[4])) ** 0.5
    assert alone is not None
    assert double is not None
    assert alone.score == pytest.approx(most - 3, abs=0.5)
    assert double.score == pytest.approx(most / 2)


def test_agreement_is_in_deviations_of_fair_coins() -> None:
    query = np.random.default_rng(0).integers(0, 256, 400).astype(np.uint8)
    clip = query[::KEPT]
    assert agreement(query, clip, 0) == pytest.approx(((8 * 25) ** 0.5, 1.0))
    assert agreement(query, ~clip, 0) == pytest.approx((-((8 * 25) ** 0.5), 0.0))
    assert agreement(query, clip[5:], -5 * KEPT) == pytest.approx(((8 * 20) ** 0.5, 1.0))
    assert agreement(query, clip, 16 * KEPT) == (0.0, 0.0), "too little in common to tell"


def test_an_index_keeps_every_sixteenth_byte(tmp_path: Path) -> None:
    outlines = [np.arange(count).astype(np.uint8) for count in (1, 0, 40)]
    AllOutlines.of(outlines).write(tmp_path / "outlines.npz")
    found = AllOutlines.read(tmp_path / "outlines.npz")
    assert [found[clip].tolist() for clip in range(3)] == [[0], [], [0, 16, 32]]


def test_too_short_a_piece_and_an_excluded_clip_are_not_reported(kept: list[Outline]) -> None:
    words = build_words(kept)
    assert best_outlined(outline_of(melody(4)[: 3 * RATE]), words, kept.__getitem__) is None
    other = best_outlined(outline_of(melody(4)), words, kept.__getitem__, excluded=[4])
    assert other is None or other.clip != 4


def test_silence_has_an_outline() -> None:
    silent = outline_of(np.zeros(5 * RATE, np.float32))
    assert len(silent) == 5 * STEPS_PER_SECOND
    assert best_outlined(silent, build_words([]), lambda _: silent) is None
