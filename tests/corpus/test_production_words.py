"""What words of production stand for, measured on the sound: treble, what fills the gaps, the side."""

from dataclasses import replace

import numpy as np
import pytest

from musicldm.corpus.composing.arrangement import compose
from musicldm.corpus.composing.plan import draw_plan
from musicldm.corpus.composing.production import Push, draw_mix
from musicldm.corpus.composing.score import Score
from musicldm.corpus.composing.seeds import stream
from musicldm.corpus.sound.rendering import render
from musicldm.corpus.sound.soundfont import SoundFont
from musicldm.corpus.styles import STYLES

RATE, SECONDS, SEEDS = 16000, 4.0, (1, 2, 3)
NEUTRAL = Push(0, 0, 0, 0)


def clip(seed: int, genre: str, push: Push) -> Score:
    """A clip whose engineer pushes its mix in a given way."""
    score = compose(seed, seconds=SECONDS, genre=genre)
    plan = draw_plan(seed, STYLES[genre], seconds=SECONDS)
    return replace(score, mix=draw_mix(stream(seed, genre, "mix"), plan, push))


def mean_of(measure, genre: str, font: SoundFont, channels: int, **push: int) -> float:
    clips = [clip(seed, genre, replace(NEUTRAL, **push)) for seed in SEEDS]
    return float(np.mean([measure(render(score, font, sample_rate=RATE, channels=channels)) for score in clips]))


def treble(wave: np.ndarray) -> float:
    """Decibels above 2 kHz against all."""
    power = np.abs(np.fft.rfft(wave)) ** 2
    return float(10 * np.log10(power[int(2000 * SECONDS) :].sum() / power.sum()))


def sustain(wave: np.ndarray) -> float:
    """Decibels of the quietest fifth of 20 ms blocks against the mean: what fills the gaps between notes."""
    blocks = np.sort((wave[: wave.size // 320 * 320].reshape(-1, 320) ** 2).mean(1))
    return float(10 * np.log10(blocks[: blocks.size // 5].mean() / blocks.mean() + 1e-9))


def side(wave: np.ndarray) -> float:
    """Decibels of the side against the mid."""
    mid, rest = wave[0] + wave[1], wave[0] - wave[1]
    return float(10 * np.log10((rest**2).sum() / (mid**2).sum() + 1e-9))


@pytest.mark.parametrize(
    ("axis", "measure", "genre", "channels", "decibels"),
    [("tone", treble, "solo piano", 1, 2.5), ("space", sustain, "funk", 1, 2.0), ("width", side, "funk", 2, 6.0)],
)
def test_the_two_ends_of_a_scale_are_heard(font, axis, measure, genre, channels, decibels):
    low, high = (mean_of(measure, genre, font, channels, **{axis: end}) for end in (-1, 1))
    assert high - low > decibels
