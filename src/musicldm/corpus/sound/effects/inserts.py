"""The effects that one part can be given, by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from musicldm.audio import Wave
from musicldm.corpus.sound.effects.delays import chorus, cycle, flanger, rotary
from musicldm.corpus.sound.effects.drive import amplify, cabinet, crush, saturate, wah
from musicldm.corpus.sound.effects.filters import swept
from musicldm.errors import unknown_choice

_STAGES = 2


@dataclass(frozen=True)
class Setting:
    """What effects follow: samples a second, seconds of a beat, and a number 0-1 drawn for the clip (their phase)."""

    sample_rate: int
    beat: float
    phase: float


def insert(wave: Wave, name: str, setting: Setting) -> Wave:
    """The wave (2, n) through one effect. Raises InvalidInputError if `name` is not one of `INSERTS`."""
    if name not in INSERTS:
        raise unknown_choice("effect", name, tuple(INSERTS))
    return INSERTS[name](wave, setting)


def _turns(wave: Wave, seconds: float, setting: Setting, phase: float = 0.0) -> Wave:
    return cycle(wave.shape[1], 1 / seconds, setting.sample_rate, setting.phase + phase)


def _phaser(wave: Wave, setting: Setting) -> Wave:
    """Two all-pass stages of second order that sweep over 200-1800 Hz in four beats, mixed with the dry sound."""
    sides = []
    for side, phase in zip(wave, (0.0, 0.2), strict=True):
        centre = 600 * np.exp2(1.6 * _turns(wave, 4 * setting.beat, setting, phase))
        wet = swept(side[None], "all", centre, (0.6,) * _STAGES, setting.sample_rate)[0]
        sides.append(0.6 * (side + wet))
    return np.asarray(sides, np.float32)


def _tremolo(wave: Wave, setting: Setting) -> Wave:
    return wave * (1 + np.float32(0.3) * (_turns(wave, setting.beat / 4, setting) - 1))


def _autopan(wave: Wave, setting: Setting) -> Wave:
    lean = np.float32(0.4) * _turns(wave, 2 * setting.beat, setting)
    return np.stack([wave[0] * (1 - lean), wave[1] * (1 + lean)])


def _wah(wave: Wave, setting: Setting) -> Wave:
    return wah(wave, 900 * np.exp2(1.1 * _turns(wave, setting.beat, setting)), setting.sample_rate)


def _wobble(wave: Wave, setting: Setting) -> Wave:
    """A low-pass of 24 dB an octave that opens and closes, twice a beat or in triplets by the clip's phase."""
    turns = (2, 3, 4)[int(setting.phase * 3) % 3]
    centre = 420 * np.exp2(2.4 * cycle(wave.shape[1], turns / setting.beat / 2, setting.sample_rate, 0.75))
    return np.asarray(swept(wave, "low", centre, (2.2, 0.7), setting.sample_rate), np.float32)


def _gate(wave: Wave, setting: Setting) -> Wave:
    """Open for the first three fifths of each sixteenth note."""
    place = (np.arange(wave.shape[1]) / setting.sample_rate / (setting.beat / 4)) % 1.0
    edge = 0.004 / (setting.beat / 4)
    return wave * np.clip(np.minimum(place / edge, (0.6 - place) / edge + 1), 0.05, 1).astype(np.float32)


def _amplifier(gain: float, *, doubled: bool) -> Callable[[Wave, Setting], Wave]:
    return lambda wave, setting: cabinet(amplify(wave, gain, setting.sample_rate), setting.sample_rate, doubled=doubled)


def _overdrive(wave: Wave, setting: Setting) -> Wave:
    level = np.float32(np.sqrt(np.mean(np.square(wave))) * 3 + 1e-9)
    return saturate(wave / level, 3.0, setting.sample_rate) * level


INSERTS: Mapping[str, Callable[[Wave, Setting], Wave]] = MappingProxyType(
    {
        "chorus": lambda wave, setting: chorus(wave, setting.sample_rate),
        "ensemble": lambda wave, setting: chorus(
            chorus(wave, setting.sample_rate, depth=0.0015, hertz=0.6), setting.sample_rate, depth=0.0003, hertz=5.8
        ),
        "phaser": _phaser,
        "flanger": lambda wave, setting: flanger(wave, setting.sample_rate, hertz=1 / (8 * setting.beat)),
        "tremolo": _tremolo,
        "autopan": _autopan,
        "rotary": lambda wave, setting: rotary(wave, setting.sample_rate),
        "slow rotary": lambda wave, setting: rotary(wave, setting.sample_rate, hertz=0.8),
        "wah": _wah,
        "distortion": _overdrive,
        "crunch amp": _amplifier(5.0, doubled=False),
        "amp": _amplifier(14.0, doubled=True),
        "wobble": _wobble,
        "gate": _gate,
        "bitcrush": lambda wave, setting: crush(wave, setting.sample_rate),
    }
)
