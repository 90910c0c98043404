"""Log-mels against librosa and closed forms; loudness against BS.1770's own reference; files through other readers."""

from __future__ import annotations

import math
import wave as riff
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import pytest
import soundfile
import torch

from musicldm import audio
from musicldm.audio import MelSpec, log_mel
from musicldm.errors import DataError, InvalidInputError
from tests.tolerances import layers, sums

pytestmark = pytest.mark.numeric

SPECS = [
    MelSpec(),
    MelSpec(n_mels=128),
    MelSpec(sample_rate=48000, n_fft=2048, win_length=1200, hop_length=480, n_mels=100, f_min=40, f_max=20000),
]
SETTINGS = {"prompt": 'naïve "drum" \\ 日本\n🎷', "seed": 2**62, "score": None, "nested": {"guidance": 3.5}}


def sine(frequency: float, seconds: float = 1.0, rate: int = 16000, amplitude: float = 0.5) -> audio.Wave:
    time = np.arange(round(seconds * rate)) / rate
    return (amplitude * np.sin(2 * np.pi * frequency * time)).astype(np.float32)


def noise(samples: int, seed: int = 0, level: float = 0.1) -> audio.Wave:
    return (level * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


# Log-mel


LOGARITHM = sums(1, size=12)
"""Relative error of a magnitude whose logarithm, of 12 at most, is rounded once on each side."""


def rounding(wave: audio.Wave, spec: MelSpec) -> float:
    """Of a mel's magnitude in float32: a Fourier transform sums in log₂ n layers, up to a frame's norm."""
    frame = np.sqrt(spec.n_fft * np.square(wave).max())
    return layers(round(math.log2(spec.n_fft)), 2, size=frame * audio.mel_filters(spec).sum(axis=1).max())


@pytest.mark.parametrize("spec", SPECS)
def test_filters_are_librosas_slaney_filters(spec: MelSpec) -> None:
    expected = librosa.filters.mel(
        sr=spec.sample_rate, n_fft=spec.n_fft, n_mels=spec.n_mels, fmin=spec.f_min, fmax=spec.f_max, dtype=np.float64
    )
    np.testing.assert_allclose(audio.mel_filters(spec), expected, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("spec", SPECS)
def test_log_mel_is_librosas_on_a_wave_padded_by_hand(spec: MelSpec) -> None:
    wave = noise(40000)
    padded = np.pad(wave, (spec.n_fft - spec.hop_length) // 2, mode="reflect").astype(np.float64)
    magnitude = np.abs(
        librosa.stft(padded, n_fft=spec.n_fft, hop_length=spec.hop_length, win_length=spec.win_length, center=False)
    )
    filters = librosa.filters.mel(
        sr=spec.sample_rate, n_fft=spec.n_fft, n_mels=spec.n_mels, fmin=spec.f_min, fmax=spec.f_max
    )
    expected = np.maximum(filters @ magnitude, spec.floor).T
    found = log_mel(torch.from_numpy(wave), spec).double().exp().numpy()
    np.testing.assert_allclose(found, expected, rtol=LOGARITHM, atol=rounding(wave, spec))


@pytest.mark.parametrize(("samples", "frames"), [(163840, 1024), (16000, 100), (16159, 100), (16160, 101)])
def test_the_number_of_frames_is_samples_over_hop(samples: int, frames: int) -> None:
    assert log_mel(torch.zeros(samples)).shape == (frames, 64)
    assert MelSpec().frames(samples) == frames


def test_a_sine_is_loudest_in_the_bin_of_its_frequency() -> None:
    centres = audio.mel_to_hz(np.linspace(audio.hz_to_mel(0), audio.hz_to_mel(8000), 66))[1:-1]
    for index in (5, 20, 40, 60):
        mel = log_mel(torch.from_numpy(sine(centres[index])))
        assert int(mel.mean(dim=0).argmax()) == index


def test_silence_is_the_floor_and_has_a_finite_gradient() -> None:
    wave = torch.zeros(8000, requires_grad=True)
    mel = log_mel(wave)
    assert torch.equal(mel, torch.full_like(mel, math.log(1e-5)))
    mel.sum().backward()
    assert wave.grad is not None
    assert torch.isfinite(wave.grad).all()


def test_the_gradient_is_that_of_finite_differences() -> None:
    spec = MelSpec(sample_rate=2000, n_fft=32, win_length=32, hop_length=16, n_mels=4, f_max=1000)
    wave = torch.from_numpy(noise(64, level=1.0)).requires_grad_()
    log_mel(wave, spec).sum().backward()
    assert wave.grad is not None
    step = 1e-2
    for index in (0, 17, 63):
        shift = torch.zeros(64)
        shift[index] = step
        rise = log_mel(wave.detach() + shift, spec).double().sum() - log_mel(wave.detach() - shift, spec).double().sum()
        assert rise.item() / (2 * step) == pytest.approx(wave.grad[index].item(), rel=0.02, abs=2e-3)


def test_a_batch_gives_the_values_of_its_waves_alone() -> None:
    waves = torch.from_numpy(noise(2 * 3 * 4000)).reshape(2, 3, 4000)
    mel = log_mel(waves)
    assert mel.shape == (2, 3, 25, 64)
    allowed = {"rtol": LOGARITHM, "atol": rounding(waves[1, 2].numpy(), MelSpec())}
    torch.testing.assert_close(mel[1, 2].double().exp(), log_mel(waves[1, 2]).double().exp(), **allowed)


def test_first_use_in_inference_mode_does_not_break_later_training() -> None:
    spec = MelSpec(n_mels=63)
    with torch.inference_mode():
        log_mel(torch.zeros(4000), spec)
    wave = torch.from_numpy(noise(4000)).requires_grad_()
    log_mel(wave, spec).sum().backward()
    assert wave.grad is not None


def test_autocast_and_half_precision_cost_no_accuracy() -> None:
    wave = torch.from_numpy(noise(4000))
    exact = log_mel(wave)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(log_mel(wave), exact)
    half = wave.half()
    assert torch.equal(log_mel(half), log_mel(half.float()))


def test_a_wave_too_short_to_reflect_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="432 samples is too short for a log-mel: at least 433"):
        log_mel(torch.zeros(432))
    assert log_mel(torch.zeros(433)).shape == (2, 64)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"n_mels": 0}, "n_mels is 0: it must be at least 1"),
        ({"hop_length": 2000}, "must not decrease"),
        ({"f_max": 9000.0}, "f_max 9000.0: valid is 0 <= f_min < f_max <= 8000"),
        ({"floor": 0.0}, "floor is 0.0: it must be above 0"),
    ],
)
def test_a_meaningless_mel_spec_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        MelSpec(**values)


# Reading


def test_stereo_is_read_as_the_mean_of_its_channels(tmp_path: Path) -> None:
    left, right = noise(1000, 1), noise(1000, 2)
    soundfile.write(tmp_path / "two.wav", np.stack([left, right], axis=1), 44100, subtype="FLOAT")
    wave, rate = audio.read(tmp_path / "two.wav")
    assert (wave.dtype, rate) == (np.float32, 44100)
    np.testing.assert_allclose(wave, (left + right) / 2, rtol=0, atol=sums(2))


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
def test_a_resampled_sine_keeps_its_pitch_level_and_length(tmp_path: Path, rate: int) -> None:
    soundfile.write(tmp_path / "a.flac", sine(1000, rate=rate), rate)
    wave, given = audio.read(tmp_path / "a.flac", 16000)
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
        audio.read(tmp_path / name)


# Loudness


@pytest.mark.parametrize("rate", [16000, 44100, 48000])
def test_a_full_scale_sine_of_997_hz_is_at_minus_3_lufs(rate: int) -> None:
    """The reference tone of ITU-R BS.1770-4: 0 dB on one channel reads -3.01 LUFS."""
    assert audio.loudness(sine(997, 3.0, rate, 1.0), rate) == pytest.approx(-3.01, abs=0.1)


def test_a_wave_shorter_than_a_block_has_a_loudness() -> None:
    assert audio.loudness(sine(1000, 0.1, amplitude=1.0), 16000) == pytest.approx(-3.0, abs=0.3)
    assert audio.loudness(np.zeros(100, np.float32), 16000) == -math.inf


def test_normalising_a_sine_to_lufs_gives_the_amplitude_that_follows() -> None:
    wave = audio.normalise(sine(997, 3.0, amplitude=0.01), 16000, -23)
    assert np.abs(wave).max() == pytest.approx(10 ** ((-23 + 3.01) / 20), rel=0.01)


def test_peak_normalisation_reaches_minus_one_decibel() -> None:
    for level in (0.02, 0.5, 3.0):
        assert np.abs(audio.normalise(sine(440, amplitude=level), 16000)).max() == pytest.approx(10 ** (-1 / 20))


@pytest.mark.parametrize("target", ["peak", -14.0])
def test_silence_stays_silent_and_near_silence_is_raised_within_a_limit(target: str | float) -> None:
    assert not audio.normalise(np.zeros(8000, np.float32), 16000, target).any()
    faint = audio.normalise(noise(8000, level=1e-6), 16000, target)
    assert np.abs(faint).max() <= 100.01 * np.abs(noise(8000, level=1e-6)).max()


def test_loud_lufs_are_reached_without_clipping() -> None:
    wave = noise(48000, level=0.05)
    wave[24000] = 0.9
    loud = audio.normalise(wave, 16000, -14)
    assert np.abs(loud).max() <= audio.PEAK
    assert audio.loudness(loud, 16000) == pytest.approx(-14, abs=0.2)


def test_the_limiter_holds_every_peak_and_changes_nothing_far_from_one() -> None:
    wave = noise(16000, level=0.1)
    wave[[3000, 8000, 8003, 15999]] = [1.5, -1.2, 1.9, 1.0]
    held = audio.limit(wave, 16000, 0.8)
    assert np.abs(held).max() <= np.float32(0.8)
    far = np.ones(16000, bool)
    for peak in (3000, 8000, 8003, 15999):
        far[max(0, peak - 82) : peak + 83] = False
    assert np.array_equal(held[far], wave[far])
    quiet = sine(440, amplitude=0.5)
    assert audio.limit(quiet, 16000, 0.8) is quiet


@pytest.mark.parametrize("target", ["loud", "", -61, 0.0, math.nan])
def test_a_meaningless_loudness_is_refused(target: str | float) -> None:
    with pytest.raises(InvalidInputError, match="valid is 'peak' or LUFS from -60 to -5"):
        audio.check_loudness(target)


# Writing


@pytest.mark.parametrize(("ending", "tolerance"), [("wav", 2**-15), ("flac", 2**-15), ("ogg", 0.05), ("mp3", 0.05)])
def test_sound_and_settings_come_back_from_a_file(tmp_path: Path, ending: str, tolerance: float) -> None:
    path = tmp_path / f"a.{ending}"
    wave = sine(440, 3.0)
    audio.write(path, wave, 16000, settings=SETTINGS, title="naïve")
    assert audio.read_settings(path) == SETTINGS
    back, rate = audio.read(path)
    assert (len(back), rate) == (len(wave), 16000)
    assert np.abs(back - wave)[800:-800].max() <= tolerance
    assert soundfile.info(path).duration == pytest.approx(3.0)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("ending", list(audio.ENCODINGS))
@pytest.mark.parametrize("length", [1, 2, 20_000, 120_000])
def test_long_settings_are_kept(tmp_path: Path, ending: str, length: int) -> None:
    """libsndfile alone drops those of a WAV file from a few kilobytes on."""
    path = tmp_path / f"a.{ending}"
    settings = {"prompt": "x" * length}
    audio.write(path, sine(440, 0.2), 16000, settings=settings)
    assert audio.read_settings(path) == settings


@pytest.mark.parametrize("ending", list(audio.ENCODINGS))
def test_other_programs_find_the_tags(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    audio.write(path, sine(440, 0.2), 16000, settings={"seed": 3}, title="Café")
    with soundfile.SoundFile(path) as file:
        assert file.comment == '{"seed": 3}'
        assert file.title == ("Cafe" if ending == "mp3" else "Café")


def test_the_wav_file_is_valid_riff(tmp_path: Path) -> None:
    for length in (11, 12):
        path = tmp_path / f"{length}.wav"
        audio.write(path, sine(440, 0.1)[:1599], 16000, settings={"a": "x" * length})
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
    audio.write(tmp_path / "a.wav", np.array([2.0, -2.0, 0.0], np.float32), 16000)
    np.testing.assert_allclose(audio.read(tmp_path / "a.wav")[0], [1.0, -1.0, 0.0], atol=2**-14)


def test_an_ogg_file_of_minutes_is_written_whole(tmp_path: Path) -> None:
    audio.write(tmp_path / "long.ogg", noise(16000 * 120), 16000)
    assert soundfile.info(tmp_path / "long.ogg").frames == 16000 * 120


@pytest.mark.parametrize("name", ["plain.wav", "plain.flac", "other.flac"])
def test_a_file_without_settings_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with soundfile.SoundFile(path, "w", 16000, 1) as file:
        if name.startswith("other"):
            file.comment = "made with love"
        file.write(sine(440, 0.1))
    with pytest.raises(DataError, match=f"{name}: no musicldm settings"):
        audio.read_settings(path)


def test_settings_of_no_file_or_of_no_sound_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("RIFF")
    with pytest.raises(DataError, match=r"gone\.wav: no such file"):
        audio.read_settings(tmp_path / "gone.wav")
    with pytest.raises(DataError, match=r"text\.wav: not an audio file"):
        audio.read_settings(tmp_path / "text.wav")


def test_an_unknown_format_or_rate_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="unknown audio format 'aac': choose one of wav, flac, ogg, mp3"):
        audio.write(tmp_path / "a.aac", sine(440), 16000)
    with pytest.raises(InvalidInputError, match="mp3 cannot hold mono audio at 5000 Hz"):
        audio.write(tmp_path / "a.mp3", sine(440), 5000)
    assert not list(tmp_path.iterdir())


def test_a_write_that_fails_leaves_no_part_and_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.wav"
    audio.write(path, sine(440), 16000)
    before = path.read_bytes()

    def full_disk(self: Path, content: bytes) -> int:
        with self.open("wb") as file:
            file.write(content[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full_disk)
    with pytest.raises(OSError, match="No space left"):
        audio.write(path, sine(880), 16000)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.wav"]
