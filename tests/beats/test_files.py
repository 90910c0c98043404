"""Beats as text, labels, clicks and pictures."""

from __future__ import annotations

import io

import numpy as np
import pytest
from scipy.signal import find_peaks

from musicldm.beats.beats import Beats
from musicldm.beats.files import audacity_labels, beats_text, with_clicks
from musicldm.beats.picture import picture
from musicldm.errors import MissingDependencyError

BEATS = Beats.of([0.5, 1.0, 1.5, 2.0, 2.5], [1.0, 2.5])
RATE = 22050


def test_the_text_is_what_beat_this_writes() -> None:
    assert beats_text(BEATS) == "0.500\t3\n1.000\t1\n1.500\t2\n2.000\t3\n2.500\t1\n"
    assert beats_text(Beats((), (), 0.0, 0)) == ""


def test_labels_are_what_audacity_reads() -> None:
    rows = [line.split("\t") for line in audacity_labels(BEATS).splitlines()]
    assert [(float(start), float(end)) for start, end, _ in rows] == [(time, time) for time in BEATS.beats]
    assert [label for _, _, label in rows] == ["3", "1", "2", "3", "1"]


def test_clicks_lie_on_the_beats_and_are_higher_on_downbeats() -> None:
    """The onsets of what was added, and its pitch there by Fourier transform."""
    clicks = with_clicks(np.zeros(3 * RATE, np.float32), RATE, BEATS)
    power = np.convolve(clicks**2, np.ones(100), "same")
    onsets = find_peaks(power, height=0.2 * power.max(), distance=RATE // 10)[0] / RATE
    assert np.abs(onsets - BEATS.beats).max() < 0.01
    for moment in BEATS.beats:
        part = clicks[round(moment * RATE) :][:880]
        hertz = np.abs(np.fft.rfft(part, 2**14)).argmax() * RATE / 2**14
        assert hertz == pytest.approx(2000 if moment in BEATS.downbeats else 1000, rel=0.03)


def test_clicks_stay_below_full_scale_and_before_the_end() -> None:
    loud = np.ones(RATE, np.float32)
    out = with_clicks(loud, RATE, Beats.of([0.99, 5.0], []))
    assert out.shape == loud.shape
    assert np.abs(out).max() <= 1
    assert out[0] == pytest.approx(0.6)


@pytest.mark.parametrize("seconds", [0.0, 0.01, 3.0, 200.0])
def test_a_picture_of_any_length_is_a_png(seconds: float) -> None:
    image = pytest.importorskip("PIL.Image")
    pytest.importorskip("matplotlib")
    wave = np.sin(np.arange(round(seconds * RATE)) / 10).astype(np.float32)
    content = picture(wave, RATE, BEATS if seconds > 2 else Beats((), (), 0.0, 0), "a title")
    drawn = image.open(io.BytesIO(content))
    assert drawn.format == "PNG"
    if seconds == 3.0:
        colours = np.asarray(drawn.convert("RGB"), dtype=int)
        assert ((colours[..., 0] - colours[..., 2]) > 100).any()
        assert ((colours[..., 2] - colours[..., 0]) > 100).any()


def test_without_matplotlib_the_command_that_installs_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(MissingDependencyError, match=r'matplotlib is not installed: pip install "musicldm\[beats\]"'):
        picture(np.zeros(RATE, np.float32), RATE, BEATS, "")
