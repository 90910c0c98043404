"""Peaks, pairs and their hashes: where notes begin, and what a transposition or a cut does to them."""

from __future__ import annotations

import numpy as np
import pytest

from musicldm.novelty.fingerprint import (
    BINS,
    BINS_PER_SEMITONE,
    FAN,
    FRAMES_PER_SECOND,
    HASHES,
    HOP,
    LOWEST,
    REACH,
    SPREAD,
    hashes_of,
    onsets,
    pairs_of,
    peaks_of,
    spectrum,
)
from tests.tiny_music import RATE, melody


def share_near(one: np.ndarray, other: np.ndarray) -> float:
    """Share of peaks that have another within a frame and a bin."""
    gaps = np.abs(one[:, None] - other[None]).max(axis=2)
    return float((gaps.min(axis=1) <= 1).mean())


def test_a_note_has_its_peak_where_it_begins() -> None:
    start, pitch = 1.6, 660.0
    time = np.arange(3 * RATE) / RATE
    wave = np.where(time >= start, np.sin(2 * np.pi * pitch * time), 0).astype(np.float32)
    peaks = peaks_of(wave)
    wanted = BINS_PER_SEMITONE * 12 * np.log2(pitch / LOWEST)
    near = peaks[np.abs(peaks[:, 1] - wanted) <= 1]
    assert len(near) >= 1
    assert np.abs(near[:, 0] - start * FRAMES_PER_SECOND).min() <= 4


def test_held_sound_and_silence_leave_no_peaks() -> None:
    time = np.arange(4 * RATE) / RATE
    held = peaks_of(np.sin(2 * np.pi * 440 * time).astype(np.float32))
    assert not ((held[:, 0] > 15) & (held[:, 0] < 110)).any()
    assert peaks_of(np.zeros(2 * RATE, np.float32)).shape == (0, 2)


def test_a_transposition_shifts_peaks_by_whole_bins() -> None:
    plain, higher = peaks_of(melody(3)), peaks_of(melody(3, semitones=2))
    shifted = plain + np.array([0, 2 * BINS_PER_SEMITONE])
    assert share_near(shifted, higher) > max(0.5, share_near(plain, higher) + 0.2)


def test_a_cut_by_whole_frames_moves_peaks_by_as_many() -> None:
    wave, frames = melody(4), 40
    whole, cut = peaks_of(wave), peaks_of(wave[frames * HOP :]) + np.array([frames, 0])
    inside = cut[cut[:, 0] > frames + 20]
    assert len(inside) >= 10
    assert share_near(inside, whole) > 0.9
    assert share_near(whole[whole[:, 0] > frames + 20], cut) > 0.9


def test_another_sample_rate_gives_the_same_peaks() -> None:
    import soxr

    wave = melody(5)
    faster = soxr.resample(wave, RATE, 44100).astype(np.float32)
    assert share_near(peaks_of(faster, 44100), peaks_of(wave)) > 0.9


@pytest.mark.parametrize("change", ["louder", "noisy", "thin"])
def test_louder_noisy_and_thin_sound_keeps_most_of_its_peaks(change: str) -> None:
    wave = melody(6)
    noise = np.random.default_rng(0).standard_normal(len(wave)).astype(np.float32)
    changed = {
        "louder": 30 * wave,
        "noisy": wave + 10 ** (-10 / 20) * wave.std() * noise,
        "thin": np.diff(wave, prepend=np.float32(0)),  # 6 dB an octave
    }[change]
    kept = share_near(peaks_of(wave), peaks_of(changed))
    assert kept > {"louder": 0.999, "noisy": 0.6, "thin": 0.6}[change], kept


def test_pairs_stay_within_their_clip_and_their_zone() -> None:
    rng = np.random.default_rng(0)
    counts = (30, 0, 50)
    peaks = [np.unique(rng.integers(0, (200, BINS), (count, 2)), axis=0).astype(np.int32) for count in counts]
    clips = np.repeat(np.arange(3), [len(one) for one in peaks])
    joined = np.concatenate(peaks)
    first, second = pairs_of(joined, clips)
    gap = joined[second] - joined[first]
    assert (clips[first] == clips[second]).all()
    assert ((gap[:, 0] >= 1) & (gap[:, 0] <= REACH) & (np.abs(gap[:, 1]) <= SPREAD)).all()
    alone = [pairs_of(one) for one in peaks]
    assert len(first) == sum(len(one) for one, _ in alone)
    assert np.bincount(first).max() == FAN


def test_different_pairs_have_different_hashes_within_the_range() -> None:
    first, second, gap = np.meshgrid(np.arange(0, BINS, 2), np.arange(0, BINS, 6), np.arange(1, REACH + 1))
    hashes = hashes_of(first.ravel(), second.ravel(), gap.ravel())
    assert len(np.unique(hashes)) == hashes.size
    assert hashes.min() >= 0
    assert hashes.max() < HASHES


@pytest.mark.parametrize("seconds", [1.0, 6.0])
def test_each_peak_is_among_the_ten_strongest_nearby(seconds: float) -> None:
    wave = np.random.default_rng(0).standard_normal(round(seconds * RATE)).astype(np.float32)
    peaks, rise = peaks_of(wave), onsets(spectrum(wave))
    strength = rise[peaks[:, 0], peaks[:, 1]]
    near = np.abs(peaks[:, 0, None] - peaks[:, 0]) <= 15
    assert (near & (strength > strength[:, None])).sum(axis=1).max() <= 9
    assert (np.diff(peaks[:, 0]) >= 0).all()
