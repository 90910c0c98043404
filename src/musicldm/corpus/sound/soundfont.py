"""General MIDI sound fonts: a hit as the font plays it."""

import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from musicldm.audio import Wave
from musicldm.corpus.sound.instruments import DRUM_BANK, Instrument
from musicldm.corpus.sound.waves import Hit, pitch_curve
from musicldm.errors import DataError, MissingDependencyError

_FLUSH_SECONDS = 0.02
_BEND_CENTRE = 8192
_BEND_RANGE = 2.0
_BENDS_A_SECOND = 50
_TAIL_SECONDS = 0.15
_LISTEN_SECONDS = 0.03
_LONGEST_TAIL = 6.0
_SILENCE = 10 ** (-64 / 20)
# Programs whose loudness and brightness a font leaves to modulators, which tinysoundfont does not know: pianos 30 dB
# too quiet and without treble, by the beginning of the file's name.
_MODULATED = {"MuseScore_General": frozenset({0, 1, 3, 45})}
_SKINS = (35, 36, 38, 40, 41, 43, 45, 47, 48, 50)


@dataclass
class SoundFont:
    """A General MIDI sound font, loaded at first use at each sample rate.

    Memory: two to three times the size of an .sf2 (0.4 GB for FluidR3, 1.3 GB for MuseScore_General).
    """

    path: Path
    _synths: dict[int, tuple[Any, int]] = field(default_factory=dict, repr=False)

    def synth(self, sample_rate: int) -> tuple[Any, int]:
        """(tinysoundfont.Synth, font id). Raises DataError if the file cannot be read as a sound font."""
        if sample_rate not in self._synths:
            try:
                import tinysoundfont
            except ImportError:
                raise MissingDependencyError("tinysoundfont", "corpus") from None
            if not Path(self.path).is_file():
                raise DataError(f"sound font {self.path}: no such file; give an .sf2 or .sf3 file")
            synth = tinysoundfont.Synth(samplerate=sample_rate, gain=-6)
            try:
                font = synth.sfload(str(self.path))
            except RuntimeError as error:
                raise DataError(
                    f"sound font {self.path}: cannot be read ({error}); give an .sf2 or .sf3 file"
                ) from None
            self._synths[sample_rate] = (synth, font)
        return self._synths[sample_rate]

    def fits(self, instrument: Instrument) -> bool:
        """Whether the font's program comes out as its makers meant it."""
        spoiled = (programs for name, programs in _MODULATED.items() if Path(self.path).name.startswith(name))
        return instrument.bank == DRUM_BANK or not any(instrument.program in programs for programs in spoiled)

    def play(self, instrument: Instrument, hit: Hit, sample_rate: int) -> Wave:
        """One hit of an instrument that has a program, until 64 dB below its peak: float32 (2, n)."""
        synth, font_id = self.synth(sample_rate)
        program, loudness = _voice_of(instrument, hit.pitch)
        drums = instrument.bank == DRUM_BANK
        synth.program_select(0, font_id, instrument.bank, program, drums)
        synth.noteon(0, hit.pitch, max(1, round(hit.velocity * loudness)))
        pieces = [] if hit.length is None else _held(synth, hit, sample_rate)
        if hit.length is not None:
            synth.noteoff(0, hit.pitch)
        pieces += _tail(synth, pieces, sample_rate)
        synth.sounds_off(0)
        synth.pitchbend(0, _BEND_CENTRE)
        _generate(synth, round(_FLUSH_SECONDS * sample_rate))
        return np.ascontiguousarray(np.concatenate(pieces).T)


def _voice_of(instrument: Instrument, pitch: int) -> tuple[int, float]:
    """Program and loudness: what is neither bass drum, snare nor tom comes from the kit's metals."""
    assert instrument.program is not None
    if instrument.metals is None or pitch in _SKINS:
        return instrument.program, 1.0
    return instrument.metals


def _generate(synth: Any, count: int) -> Wave:
    """The synthesiser's next samples, (count, 2)."""
    wave = np.zeros(2 * count, np.float32)
    synth.generate(count, wave.data.cast("B"))
    return wave.reshape(count, 2)


def _held(synth: Any, hit: Hit, sample_rate: int) -> list[Wave]:
    """The hit while its key is down, its pitch moved every 20 ms."""
    assert hit.length is not None
    count = max(1, round(hit.length * sample_rate))
    if hit.steady:
        return [_generate(synth, count)]
    step = sample_rate // _BENDS_A_SECOND
    wave = np.zeros(2 * count, np.float32)
    view = wave.data.cast("B")
    bends = np.round(_BEND_CENTRE * (1 + pitch_curve(hit, count, sample_rate)[::step] / _BEND_RANGE))
    bends = np.clip(bends, 0, 2 * _BEND_CENTRE - 1).astype(int)
    edges = [0, *(np.flatnonzero(np.diff(bends)) + 1), len(bends)]
    for first, last in itertools.pairwise(edges):
        synth.pitchbend(0, int(bends[first]))
        end = min(last * step, count)
        synth.generate(end - first * step, view[first * step * 8 : end * 8])
    synth.pitchbend(0, _BEND_CENTRE)
    return [wave.reshape(count, 2)]


def _tail(synth: Any, before: list[Wave], sample_rate: int) -> list[Wave]:
    """What sounds on after the key is up, until it is silent."""
    peak = max((_peak(piece) for piece in before), default=0.0)
    end = round(_LISTEN_SECONDS * sample_rate)
    pieces: list[Wave] = []
    for _ in range(round(_LONGEST_TAIL / _TAIL_SECONDS)):
        pieces.append(_generate(synth, round(_TAIL_SECONDS * sample_rate)))
        peak = max(peak, _peak(pieces[-1])) if len(pieces) == 1 else peak
        if _peak(pieces[-1][-end:]) <= _SILENCE * peak:
            break
    return pieces


def _peak(wave: Wave) -> float:
    return max(float(wave.max()), -float(wave.min()))
