"""Reading audio files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from musicldm.audio import Wave, reading
from musicldm.errors import DataError
from tests.tolerances import sums


def sine(frequency: float, seconds: float = 1.0, rate: int = 16000, amplitude: float = 0.5) -> Wave:
    time = np.arange(round(seconds * rate)) / rate
    return (amplitude * np.sin(2 * np.pi * frequency * time)).astype(np.float32)


def noise(samples: int, seed: int = 0, level: float = 0.1) -> Wave:
    return (level * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


def test_stereo_is_read_as_the_mean_of_its_channels(tmp_path: Path) -> None:
    left, right = noise(1000, 1), noise(1000, 2)
    soundfile.write(tmp_path / "two.wav", np.stack([left, right], axis=1), 44100, subtype="FLOAT")
    wave, rate = reading.read(tmp_path / "two.wav")
    assert (wave.dtype, rate) == (np.float32, 44100)
    np.testing.assert_allclose(wave, (left + right) / 2, rtol=0, atol=sums(2))


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
def test_a_resampled_sine_keeps_its_pitch_level_and_length(tmp_path: Path, rate: int) -> None:
    soundfile.write(tmp_path / "a.flac", sine(1000, rate=rate), rate)
    wave, given = reading.read(tmp_path / "a.flac", 16000)
    assert given == 16000
    assert abs(len(wave) - 16000) <= 1
    middle = slice(2000, 14000)
    np.testing.assert_allclose(wave[middle], sine(1000)[middle], atol=2e-3)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gone.wav", "no such file"),
        ("text.wav", "not an audio file"),
        ("nan.wav", "not finite"),
        ("none.wav", "no samples"),
    ],
)
def test_a_file_without_usable_sound_is_refused(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "text.wav").write_text("this is no sound")
    soundfile.write(tmp_path / "nan.wav", np.array([0.0, np.nan]), 16000, subtype="FLOAT")
    soundfile.write(tmp_path / "none.wav", np.zeros(0), 16000)
    with pytest.raises(DataError, match=f"{name}: .*{message}"):
        reading.read(tmp_path / name)
