"""Sound of any kind comes out as one mono wave: compared with reading it whole, and with closed forms."""

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from musicldm.audio.levels import loudness
from musicldm.data import sounds
from musicldm.data.sounds import decode, level
from musicldm.errors import DataError, MissingDependencyError
from tests.tolerances import sums

from .conftest import tone, write_tone


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".opus", ".mp3"])
@pytest.mark.parametrize("rate", [16000, 48000])
def test_blocks_give_what_the_whole_file_gives(tmp_path: Path, suffix: str, rate: int) -> None:
    path = write_tone(tmp_path / f"a{suffix}", 6.0, 330, rate)
    with path.open("rb") as file:
        wave, _ = decode(file, suffix, 16000, tmp_path)
    whole, found = soundfile.read(path, dtype="float32")
    expected = soxr.resample(whole, found, 16000)
    assert len(wave) == len(expected) > 5 * sounds._BLOCK * 16000 // rate // 4
    assert np.abs(wave - expected).max() < 1e-5
    assert list(tmp_path.iterdir()) == [path]


def test_channels_are_averaged(tmp_path: Path) -> None:
    left, right = tone(1, 440), tone(1, 1000)
    soundfile.write(tmp_path / "a.wav", np.stack([left, right], axis=1), 16000, subtype="FLOAT")
    with (tmp_path / "a.wav").open("rb") as file:
        wave, _ = decode(file, ".wav", 16000, tmp_path)
    np.testing.assert_allclose(wave, (left + right) / 2, rtol=0, atol=sums(2))


def test_tags_are_read(tmp_path: Path) -> None:
    with soundfile.SoundFile(tmp_path / "a.flac", "w", 16000, 1) as sound:
        sound.title, sound.genre = "A song", "Dub"
        sound.write(tone(0.5, 440))
    with (tmp_path / "a.flac").open("rb") as file:
        assert decode(file, ".flac", 16000, tmp_path)[1] == {"title": "A song", "genre": "Dub"}


def test_m4a_is_read_by_pyav(tmp_path: Path) -> None:
    av = pytest.importorskip("av", reason="needs PyAV: pip install 'musicldm[aac]'")
    wave = tone(2.0, 440, 44100)
    with av.open(tmp_path / "a.m4a", "w") as container:
        stream = container.add_stream("aac", rate=44100, layout="stereo")
        container.metadata["genre"] = "Dub"
        for start in range(0, len(wave), 1024):
            part = np.ascontiguousarray(np.stack([wave[start : start + 1024]] * 2))
            frame = av.AudioFrame.from_ndarray(part, format="fltp", layout="stereo")
            frame.sample_rate, frame.pts = 44100, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with (tmp_path / "a.m4a").open("rb") as file:
        found, tags = decode(file, ".m4a", 16000, tmp_path)
    assert tags["genre"] == "Dub"
    assert len(found) == pytest.approx(32000, abs=2000)
    spectrum = np.abs(np.fft.rfft(found[8000:24000]))
    assert spectrum.argmax() == 440
    assert np.abs(found[8000:24000]).max() == pytest.approx(0.3, abs=0.03)


def test_without_pyav_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "musicldm\[aac\]"'):
        decode(io.BytesIO(b""), ".m4a", 16000, tmp_path)


def test_what_is_no_sound_is_refused(tmp_path: Path) -> None:
    def of(content: bytes, suffix: str = ".wav") -> None:
        decode(io.BytesIO(content), suffix, 16000, tmp_path)

    with pytest.raises(DataError, match="no audio that can be read"):
        of(b"junk" * 500)
    flac = write_tone(tmp_path / "a.flac", 3).read_bytes()
    with pytest.raises(DataError, match="no audio that can be read"):
        of(flac[: len(flac) // 2], ".flac")
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), 16000)
    with pytest.raises(DataError, match="holds no samples"):
        of((tmp_path / "empty.wav").read_bytes())
    soundfile.write(tmp_path / "nan.wav", np.array([0.1, np.nan], np.float32), 16000, subtype="FLOAT")
    with pytest.raises(DataError, match="not finite"):
        of((tmp_path / "nan.wav").read_bytes())


def test_peak_takes_out_the_mean_and_leaves_half_of_full_scale() -> None:
    wave = level(tone(1, 440, peak=0.1) + np.float32(0.05), 16000, "peak")
    assert np.abs(wave).max() == pytest.approx(0.5, abs=1e-6)
    assert abs(wave.mean()) < 1e-4


def test_loudness_is_that_of_half_scale_masters() -> None:
    assert loudness(level(tone(2, 1000, peak=0.01), 16000, "loudness"), 16000) == pytest.approx(-16, abs=0.1)


def test_none_leaves_every_sample() -> None:
    wave = tone(1, 440) + np.float32(0.05)
    np.testing.assert_array_equal(level(wave.copy(), 16000, "none"), wave)


def test_very_quiet_sound_is_raised_by_a_limited_gain() -> None:
    assert np.abs(level(tone(1, 440, peak=0.002), 16000, "peak")).max() == pytest.approx(0.2, rel=1e-3)
