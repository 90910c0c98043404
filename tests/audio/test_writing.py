"""Writing audio files, and the settings inside them."""

from __future__ import annotations

import wave as riff
from pathlib import Path

import numpy as np
import pytest
import soundfile

from musicldm.audio import Wave, reading, writing
from musicldm.errors import DataError, InvalidInputError

SETTINGS = {"prompt": 'naïve "drum" \\ 日本\n🎷', "seed": 2**62, "score": None, "nested": {"guidance": 3.5}}


def sine(frequency: float, seconds: float = 1.0, rate: int = 16000, amplitude: float = 0.5) -> Wave:
    time = np.arange(round(seconds * rate)) / rate
    return (amplitude * np.sin(2 * np.pi * frequency * time)).astype(np.float32)


def noise(samples: int, seed: int = 0, level: float = 0.1) -> Wave:
    return (level * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


"""Relative error of a magnitude whose logarithm, of 12 at most, is rounded once on each side."""


@pytest.mark.parametrize(("ending", "tolerance"), [("wav", 2**-15), ("flac", 2**-15), ("ogg", 0.05), ("mp3", 0.05)])
def test_sound_and_settings_come_back_from_a_file(tmp_path: Path, ending: str, tolerance: float) -> None:
    path = tmp_path / f"a.{ending}"
    wave = sine(440, 3.0)
    writing.write(path, wave, 16000, settings=SETTINGS, title="naïve")
    assert writing.read_settings(path) == SETTINGS
    back, rate = reading.read(path)
    assert (len(back), rate) == (len(wave), 16000)
    assert np.abs(back - wave)[800:-800].max() <= tolerance
    assert soundfile.info(path).duration == pytest.approx(3.0)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("ending", list(writing.ENCODINGS))
@pytest.mark.parametrize("length", [1, 2, 20_000, 120_000])
def test_long_settings_are_kept(tmp_path: Path, ending: str, length: int) -> None:
    """libsndfile alone drops those of a WAV file from a few kilobytes on."""
    path = tmp_path / f"a.{ending}"
    settings = {"prompt": "x" * length}
    writing.write(path, sine(440, 0.2), 16000, settings=settings)
    assert writing.read_settings(path) == settings


@pytest.mark.parametrize("ending", list(writing.ENCODINGS))
def test_other_programs_find_the_tags(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    writing.write(path, sine(440, 0.2), 16000, settings={"seed": 3}, title="Café")
    with soundfile.SoundFile(path) as file:
        assert file.comment == '{"seed": 3}'
        assert file.title == ("Cafe" if ending == "mp3" else "Café")


def test_the_wav_file_is_valid_riff(tmp_path: Path) -> None:
    for length in (11, 12):
        path = tmp_path / f"{length}.wav"
        writing.write(path, sine(440, 0.1)[:1599], 16000, settings={"a": "x" * length})
        content = path.read_bytes()
        assert int.from_bytes(content[4:8], "little") == len(content) - 8
        with riff.open(str(path)) as file:
            assert (file.getnchannels(), file.getsampwidth(), file.getframerate(), file.getnframes()) == (
                1,
                2,
                16000,
                1599,
            )


def test_samples_over_full_scale_are_clipped(tmp_path: Path) -> None:
    writing.write(tmp_path / "a.wav", np.array([2.0, -2.0, 0.0], np.float32), 16000)
    np.testing.assert_allclose(reading.read(tmp_path / "a.wav")[0], [1.0, -1.0, 0.0], atol=2**-14)


@pytest.mark.parametrize(("ending", "tolerance"), [("wav", 2**-15), ("flac", 2**-15), ("ogg", 0.05), ("mp3", 0.05)])
def test_both_channels_of_a_stereo_wave_are_written_in_their_order(
    tmp_path: Path, ending: str, tolerance: float
) -> None:
    time = np.arange(20_000) / 16000
    sides = np.stack([0.3 * np.sin(2 * np.pi * 440 * time), 0.5 * np.sin(2 * np.pi * 660 * time)]).astype(np.float32)
    writing.write(tmp_path / f"a.{ending}", sides, 16000, settings={"prompt": "x"})
    found, rate = soundfile.read(tmp_path / f"a.{ending}")
    assert (rate, found.shape[1]) == (16000, 2)
    np.testing.assert_allclose(found[4000:16000].T, sides[:, 4000:16000], atol=tolerance)
    assert writing.read_settings(tmp_path / f"a.{ending}") == {"prompt": "x"}


def test_an_ogg_file_of_minutes_is_written_whole(tmp_path: Path) -> None:
    writing.write(tmp_path / "long.ogg", noise(16000 * 120), 16000)
    assert soundfile.info(tmp_path / "long.ogg").frames == 16000 * 120


@pytest.mark.parametrize("name", ["plain.wav", "plain.flac", "other.flac"])
def test_a_file_without_settings_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with soundfile.SoundFile(path, "w", 16000, 1) as file:
        if name.startswith("other"):
            file.comment = "made with love"
        file.write(sine(440, 0.1))
    with pytest.raises(DataError, match=f"{name}: no musicldm settings"):
        writing.read_settings(path)


def test_settings_of_no_file_or_of_no_sound_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("RIFF")
    with pytest.raises(DataError, match=r"gone\.wav: no such file"):
        writing.read_settings(tmp_path / "gone.wav")
    with pytest.raises(DataError, match=r"text\.wav: not an audio file"):
        writing.read_settings(tmp_path / "text.wav")


def test_an_unknown_format_or_rate_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="unknown audio format 'aac': choose one of wav, flac, ogg, mp3"):
        writing.write(tmp_path / "a.aac", sine(440), 16000)
    with pytest.raises(InvalidInputError, match="mp3 cannot hold mono audio at 5000 Hz"):
        writing.write(tmp_path / "a.mp3", sine(440), 5000)
    assert not list(tmp_path.iterdir())


def test_a_write_that_fails_leaves_no_part_and_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.wav"
    writing.write(path, sine(440), 16000)
    before = path.read_bytes()

    def full_disk(self: Path, content: bytes) -> int:
        with self.open("wb") as file:
            file.write(content[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full_disk)
    with pytest.raises(OSError, match="No space left"):
        writing.write(path, sine(880), 16000)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.wav"]
