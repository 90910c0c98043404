"""Sound at full rate beside the log-mels: its rate, channels, place, level, and what the folder says of it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from musicldm.cli.main import run as musicldm
from musicldm.data.manifest import HifiSpec, PrepareSettings, read_manifest
from musicldm.data.prepare import prepare
from musicldm.data.store import ClipStore
from musicldm.errors import InvalidInputError

from .conftest import HERE, SETTINGS

RATE = 48000
STEREO = replace(SETTINGS, normalize="none", hifi=HifiSpec(RATE, 2))


def write_stereo(path: Path, seconds: float = 2.7, rate: int = RATE) -> np.ndarray:
    """(n, 2): a tone of 440 Hz at the left, and one of 15 kHz at the right."""
    path.parent.mkdir(parents=True, exist_ok=True)
    time = np.arange(round(seconds * rate)) / rate
    tones = [0.4 * np.sin(2 * np.pi * 440 * time), 0.2 * np.sin(2 * np.pi * 0.3125 * rate * time)]
    wave = np.stack(tones, axis=1).astype(np.float32)
    soundfile.write(path, wave, rate, subtype="FLOAT")
    path.with_suffix(".txt").write_text("two tones")
    return wave


def store_of(tmp_path: Path, settings: PrepareSettings = STEREO) -> ClipStore:
    prepare(tmp_path / "src", tmp_path / "out", settings, pool=HERE)
    return ClipStore(tmp_path / "out")


def test_clips_are_the_files_samples_and_the_log_mels_those_of_the_same_time(tmp_path: Path) -> None:
    wave = write_stereo(tmp_path / "src" / "a.wav")
    store = store_of(tmp_path)
    padded = np.concatenate([wave, np.zeros((round(0.3 * RATE), 2), np.float32)]).reshape(3, RATE, 2)
    expected = np.round(padded.transpose(0, 2, 1) * 32767).astype(np.int16)
    np.testing.assert_array_equal(np.asarray(store.array("hifi")), expected)
    plain = PrepareSettings(STEREO.spec, STEREO.seconds, "none", STEREO.beats)
    prepare(tmp_path / "src", tmp_path / "plain", plain, pool=HERE)
    np.testing.assert_array_equal(np.asarray(store.mels), np.asarray(ClipStore(tmp_path / "plain").mels))


def test_the_folder_says_rate_and_channels(tmp_path: Path) -> None:
    write_stereo(tmp_path / "src" / "a.wav")
    store = store_of(tmp_path)
    assert store.hifi == HifiSpec(RATE, 2)
    manifest = read_manifest(tmp_path / "out")
    assert manifest["hifi"] == {"sample_rate": RATE, "channels": 2}
    assert "channels, samples" in manifest["arrays"]["hifi"]
    prepare(tmp_path / "src", tmp_path / "plain", SETTINGS, pool=HERE)
    assert ClipStore(tmp_path / "plain").hifi is None
    assert "hifi" not in read_manifest(tmp_path / "plain")


def test_another_rate_or_number_of_channels_makes_it_anew(tmp_path: Path) -> None:
    wave = write_stereo(tmp_path / "src" / "a.wav", seconds=1.0)
    assert np.asarray(store_of(tmp_path).array("hifi")).shape == (1, 2, RATE)
    mono = store_of(tmp_path, replace(STEREO, hifi=HifiSpec(RATE, 1)))
    expected = np.round(wave.mean(axis=1) * 32767)
    np.testing.assert_allclose(np.asarray(mono.array("hifi"))[0, 0], expected, atol=1)
    low = store_of(tmp_path, replace(STEREO, hifi=HifiSpec(24000, 2)))
    sound = np.asarray(low.array("hifi"))[0] / 32767
    assert sound.shape == (2, 24000)
    time = np.arange(24000) / 24000
    inside = slice(1000, -1000)
    np.testing.assert_allclose(sound[0, inside], 0.4 * np.sin(2 * np.pi * 440 * time)[inside], atol=2e-4)
    assert np.abs(sound[1, inside]).max() < 1e-3  # above half the new rate


def test_a_mono_file_has_two_channels_alike(tmp_path: Path) -> None:
    write_stereo(tmp_path / "src" / "a.wav")
    wave, _ = soundfile.read(tmp_path / "src" / "a.wav", dtype="float32")
    soundfile.write(tmp_path / "src" / "a.wav", wave[:, 0], RATE, subtype="FLOAT")
    left, right = np.asarray(store_of(tmp_path).array("hifi"))[0]
    np.testing.assert_array_equal(left, right)
    np.testing.assert_array_equal(left, np.round(wave[:RATE, 0] * 32767).astype(np.int16))


@pytest.mark.parametrize("normalize", ["peak", "loudness"])
def test_the_level_is_that_of_the_log_mels(tmp_path: Path, normalize: str) -> None:
    write_stereo(tmp_path / "src" / "a.wav", seconds=2.0)
    settings = replace(STEREO, normalize=normalize, spec=STEREO.spec)
    store = store_of(tmp_path, settings)
    low = np.asarray(store.waves)[0, 200:-200] / 32767
    left = np.asarray(store.array("hifi"))[0, 0] / 32767
    # The right tone lies above what the log-mels hear: their wave is half the left one.
    assert np.abs(left).max() / 2 == pytest.approx(np.abs(low).max(), rel=0.01)


def test_clips_taken_over_from_another_shard_keep_their_sound(tmp_path: Path) -> None:
    write_stereo(tmp_path / "src" / "a.wav")
    before = np.asarray(store_of(tmp_path).array("hifi"))
    write_stereo(tmp_path / "src" / "b.wav", seconds=1.0)
    store = store_of(tmp_path)
    assert [row.source for row in store.rows] == ["a.wav"] * 3 + ["b.wav"]
    np.testing.assert_array_equal(np.asarray(store.array("hifi"))[:3], before)


@pytest.mark.parametrize(
    ("rate", "channels", "message"),
    [(48000, 3, "hifi channels 3"), (4000, 1, "hifi sample rate 4000"), (22222, 1, "22222: a frame of 0.01 s")],
)
def test_rates_and_channels_without_meaning_are_refused(rate: int, channels: int, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        replace(SETTINGS, hifi=HifiSpec(rate, channels))


def test_channels_without_a_rate_are_refused_by_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_stereo(tmp_path / "src" / "a.wav")
    line = ["musicldm", "prepare", str(tmp_path / "src"), "--out", str(tmp_path / "out"), "--channels", "2"]
    monkeypatch.setattr("sys.argv", line)
    with pytest.raises(SystemExit, match="2"):
        musicldm()
    assert "--channels 2 is of the sound at --hifi-rate" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
