"""Oscillators through a filter that moves, as analogue synthesisers work; with a bare filter also organs and chips."""

import math
from dataclasses import dataclass

import numpy as np

from musicldm.audio import Wave
from musicldm.corpus.sound.effects.delays import cycle
from musicldm.corpus.sound.effects.filters import swept
from musicldm.corpus.sound.synth.envelopes import Envelope
from musicldm.corpus.sound.synth.tables import Formants, Oscillator, read, table
from musicldm.corpus.sound.waves import Hit, Samples, pitch_ratio

_OPEN = 19000.0
_MIDDLE = 60
_STARTS = 0.137
_SWEEP = Envelope(0.002, 0.4, 0.0, 0.2)


@dataclass(frozen=True)
class Subtractive:
    """A patch. Pitched by the hit, louder with its velocity.

    cutoff: of the filter in Hz at middle C and medium velocity; resonance: its Q; slopes: 1 for 12, 2 for 24 dB an
    octave; follow: octaves of cut-off for an octave of pitch; sweep: octaves that `shape` opens it; touch: octaves from
    the softest to the hardest velocity; wander: (Hz, octaves) of a slow swing of the filter, which then is one for the
    whole part, as in string machines; pulse_swing: (Hz, share of a period) by
    which a second copy of the oscillators, turned over, moves against the first: pulse-width modulation; noise: level;
    glide: seconds from the note before; inserts: effects on the whole part; mono: one note at a time.
    """

    oscillators: tuple[Oscillator, ...]
    amp: Envelope
    kind: str = "low"
    cutoff: float = _OPEN
    resonance: float = 0.7
    slopes: int = 1
    follow: float = 0.4
    sweep: float = 0.0
    shape: Envelope = _SWEEP
    touch: float = 0.0
    wander: tuple[float, float] | None = None
    pulse_swing: tuple[float, float] | None = None
    noise: float = 0.0
    formants: Formants = ()
    glide: float = 0.0
    inserts: tuple[str, ...] = ()

    def play(self, hit: Hit, sample_rate: int) -> Wave:
        """The hit, without what `finish` and inserts do: (1, n), or (2, n) if voices are spread."""
        held = hit.length if hit.length is not None else self.amp.attack + self.amp.decay
        count = self.amp.samples(held, sample_rate)
        wave = self._source(hit, count, sample_rate)
        filtered = self._filtered(wave, hit, held, count, sample_rate)
        level = self.amp.curve(held, count, sample_rate) * (hit.velocity / 127)
        return np.asarray(filtered * level, np.float32)

    def _source(self, hit: Hit, count: int, sample_rate: int) -> Wave:
        frequency = 440 * 2 ** ((hit.pitch - 69) / 12)
        ratio = None if hit.steady else pitch_ratio(hit, count, sample_rate)
        source = table(self.oscillators, frequency, sample_rate, self.formants, self._still(hit))
        # Analogue oscillators run on: each key begins elsewhere in the wave.
        start = (hit.pitch * _STARTS % 1) * source.turns if self.oscillators[0].voices > 1 else 0.0
        wave = read(source, count, ratio, start)
        if self.pulse_swing is not None:
            hertz, share = self.pulse_swing
            width = 0.5 + share * cycle(count, hertz, sample_rate, hit.pitch * _STARTS)
            period = source.wave.shape[1] / source.turns
            moved = np.gradient(width) * period + (1.0 if ratio is None else ratio)
            wave = wave - read(source, count, moved, start + width[0])
        if self.noise:
            rng = np.random.default_rng(hit.pitch)
            wave = wave + np.float32(self.noise) * rng.standard_normal((1, count), dtype=np.float32)
        return wave

    def _still(self, hit: Hit) -> tuple[str, float, tuple[float, ...]] | None:
        """The filter, if it is the same for all hits of a key: then it can be in the table."""
        if self.sweep or self.touch or self.wander is not None or self.noise or self.pulse_swing is not None:
            return None
        cutoff = self.cutoff * 2 ** (self.follow * (hit.pitch - _MIDDLE) / 12)
        return None if self.kind == "low" and cutoff >= _OPEN else (self.kind, cutoff, self._resonances)

    @property
    def _resonances(self) -> tuple[float, ...]:
        """The resonance of a four-pole filter is in one of its two sections."""
        return (self.resonance, math.sqrt(0.5))[: self.slopes]

    def _filtered(self, wave: Wave, hit: Hit, held: float, count: int, sample_rate: int) -> Wave | Samples:
        octaves = self.follow * (hit.pitch - _MIDDLE) / 12 + self.touch * (hit.velocity / 127 - 0.6)
        still = not self.sweep
        if (
            self.wander is not None
            or self._still(hit) is not None
            or (still and self.kind == "low" and self.cutoff * 2**octaves >= _OPEN)
        ):
            return wave
        moving = np.zeros(1 if still else count, np.float32)
        if self.sweep:
            moving += np.float32(self.sweep) * self.shape.curve(held, count, sample_rate)
        return self._through(
            wave, np.clip(np.float32(self.cutoff) * np.exp2(np.float32(octaves) + moving), 20, _OPEN), sample_rate
        )

    def finish(self, wave: Wave, sample_rate: int, phase: float) -> Wave:
        """The whole part (channels, n) through the filter of all its notes; phase: of its swing, 0-1."""
        if self.wander is None:
            return wave
        hertz, depth = self.wander
        swing = np.exp2(np.float32(depth) * cycle(wave.shape[1], hertz, sample_rate, phase))
        return np.asarray(
            self._through(wave, np.minimum(np.float32(self.cutoff) * swing, _OPEN), sample_rate), np.float32
        )

    def _through(self, wave: Wave, cutoff: Wave, sample_rate: int) -> Samples:
        return swept(wave, self.kind, cutoff, self._resonances, sample_rate)
