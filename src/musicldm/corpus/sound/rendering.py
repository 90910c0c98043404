"""A score to a waveform: each stem through the sound font, brought to its level, mixed, put in a room, mastered.

Stems are rendered one by one so that the mix follows from loudness, not from how loud a font recorded an instrument.
"""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.fft import irfft, next_fast_len, rfft
from scipy.signal import butter, lfilter, sosfilt

from musicldm.corpus.composing.score import Mix, Note, Score, Stem
from musicldm.corpus.sound.instruments import DRUM_BANK, Instrument
from musicldm.errors import DataError, MissingDependencyError

Wave = npt.NDArray[np.float32]

_BLOCK_SECONDS = 0.1
_FLUSH_SAMPLES = 256
_BEND_CENTRE = 8192
_BEND_RANGE = 2.0
_SLIDE_SECONDS = 0.1
_VIBRATO_AFTER = 0.25
_VIBRATO_HERTZ = 5.5
_SKINS = (35, 36, 38, 40, 41, 43, 45, 47, 48, 50)
_ECHOES = 4
_MAX_ROOM = 5.0


@dataclass
class SoundFont:
    """A General MIDI sound font, loaded at first use at each sample rate (about 300 MB for FluidR3Mono)."""

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


def render(score: Score, font: SoundFont, *, sample_rate: int = 16000) -> Wave:
    """The clean mix of a score: float32 (seconds × sample_rate,), mono, largest absolute sample `score.mix.peak`."""
    count = round(score.truth.duration * sample_rate)
    lead_in = _lead_in(score, sample_rate)
    rng = np.random.default_rng([score.truth.seed, 2])
    pump = _pump(score, lead_in, lead_in + count, sample_rate)
    dry = np.zeros(lead_in + count, np.float32)
    send = np.zeros_like(dry)
    for stem in score.stems:
        wave = _balance(_play(stem, font, lead_in, dry.size, sample_rate), stem.level, sample_rate)
        wave = _echo(_sweep(wave, stem.sweep, sample_rate), stem.echo, score.mix.echo_seconds, sample_rate)
        if stem.part.role in ("bass", "chords", "pad", "counter"):
            wave *= pump
        dry += wave
        send += stem.send * wave
    return master(_room(dry, send, score.mix, sample_rate, rng)[lead_in:], score.mix, sample_rate, rng)


def _lead_in(score: Score, sample_rate: int) -> int:
    """Samples rendered before the clip, so that notes begun earlier sound on into it."""
    first = min((note.start for stem in score.stems for note in stem.notes), default=0.0)
    return max(0, int(np.ceil(-first * sample_rate)))


def _play(stem: Stem, font: SoundFont, lead_in: int, count: int, sample_rate: int) -> Wave:
    """One stem as the font plays it: float32 (count,), mono."""
    synth, font_id = font.synth(sample_rate)
    _choose_programs(synth, font_id, stem.instrument)
    stereo = np.zeros((count, 2), np.float32)
    view = stereo.reshape(-1).data.cast("B")
    at = 0
    for when, _, what, channel, value, velocity in _events(stem, lead_in, count, sample_rate):
        if when > at:
            synth.generate(when - at, view[at * 8 : when * 8])
            at = when
        if what == "on":
            synth.noteon(channel, value, velocity)
        elif what == "off":
            synth.noteoff(channel, value)
        else:
            synth.pitchbend(channel, value)
    if at < count:
        synth.generate(count - at, view[at * 8 :])
    _silence(synth)
    mono: Wave = np.float32(0.5) * (stereo[:, 0] + stereo[:, 1])
    return mono


def _choose_programs(synth: Any, font_id: int, instrument: Instrument) -> None:
    drums = instrument.bank == DRUM_BANK
    synth.program_select(0, font_id, instrument.bank, instrument.program, drums)
    if instrument.metals is not None:
        synth.program_select(1, font_id, instrument.bank, instrument.metals[0], drums)


def _silence(synth: Any) -> None:
    """Leaves the synthesiser as it was found, or a clip would depend on the one before it."""
    for channel in (0, 1):
        synth.sounds_off(channel)
        synth.pitchbend(channel, _BEND_CENTRE)
    synth.generate(_FLUSH_SAMPLES)


Event = tuple[int, int, str, int, int, int]


def _events(stem: Stem, lead_in: int, count: int, sample_rate: int) -> list[Event]:
    """(sample, order, "off" | "bend" | "on", channel, pitch or bend, velocity) in order.

    A pitch struck again ends first; drums ring out.
    """
    drums = stem.instrument.bank == DRUM_BANK
    events: list[Event] = []
    latest: dict[int, int] = {}
    for note in reversed(stem.notes):
        begin = lead_in + round(note.start * sample_rate)
        end = min(lead_in + round(note.end * sample_rate), latest.get(note.pitch, count))
        if not 0 <= begin < count:
            continue
        latest[note.pitch] = begin
        channel, velocity = _voice_of(stem.instrument, note)
        events.append((begin, 2, "on", channel, note.pitch, velocity))
        if not drums and begin < end < count:
            events.append((end, 0, "off", channel, note.pitch, 0))
        events += _bends(note, begin, end, sample_rate)
    return sorted(events)


def _voice_of(instrument: Instrument, note: Note) -> tuple[int, int]:
    """Channel and velocity: what is neither bass drum, snare nor tom comes from the kit's metals."""
    if instrument.metals is None or note.pitch in _SKINS:
        return 0, note.velocity
    return 1, max(1, round(note.velocity * instrument.metals[1]))


def _bends(note: Note, begin: int, end: int, sample_rate: int) -> list[Event]:
    """The slide into a note and its vibrato, which sets in after a quarter of a second, as pitch bend every 20 ms."""
    events: list[Event] = []
    if not note.bend and not note.vibrato:
        return events
    step = sample_rate // 50
    for index, at in enumerate(range(begin, end, step)):
        time = index / 50
        semitones = note.bend * max(0.0, 1 - time / _SLIDE_SECONDS)
        if time > _VIBRATO_AFTER:
            swell = min(1.0, (time - _VIBRATO_AFTER) / 0.3)
            semitones += note.vibrato * swell * math.sin(2 * math.pi * _VIBRATO_HERTZ * time)
        value = round(_BEND_CENTRE + semitones / _BEND_RANGE * _BEND_CENTRE)
        if not events or events[-1][4] != value:
            events.append((at, 1, "bend", 0, min(max(value, 0), 2 * _BEND_CENTRE - 1), 0))
    return [*events, (end, 1, "bend", 0, _BEND_CENTRE, 0)]


def _balance(wave: Wave, level: float, sample_rate: int) -> Wave:
    """Scaled so that its loudness is `level` decibels; silence stays."""
    heard = loudness(wave, sample_rate)
    if heard <= 0:
        return wave
    scaled: Wave = wave * np.float32(10 ** (level / 20) / heard)
    return scaled


def loudness(wave: Wave, sample_rate: int) -> float:
    """Root mean square while it sounds: blocks of 0.1 s, treble weighted, gated 10 dB below the mean (as BS.1770)."""
    weighted = wave[1:] - 0.6 * wave[:-1]
    block = min(int(_BLOCK_SECONDS * sample_rate), weighted.size)
    used = weighted[: weighted.size // block * block].reshape(-1, block)
    power = np.mean(np.square(used), axis=1)
    if not power.any():
        return 0.0
    return float(np.sqrt(power[power >= 0.1 * power.mean()].mean()))


def _sweep(wave: Wave, sweep: tuple[float, float] | None, sample_rate: int) -> Wave:
    """A filter that opens or closes over the clip: a fade between the wave and its part below 500 Hz."""
    if sweep is None:
        return wave
    low = sosfilt(butter(2, 500, fs=sample_rate, output="sos"), wave)
    openness = np.linspace(sweep[0], sweep[1], wave.size)
    swept: Wave = (low + openness * (wave - low)).astype(np.float32)
    return swept


def _echo(wave: Wave, level: float, seconds: float, sample_rate: int) -> Wave:
    """The wave and its repetitions, each `level` times the one before."""
    delay = round(seconds * sample_rate)
    if level <= 0 or delay <= 0:
        return wave
    echoed = wave.copy()
    for count in range(1, _ECHOES + 1):
        if count * delay < wave.size:
            echoed[count * delay :] += np.float32(level**count) * wave[: -count * delay]
    return echoed


def _pump(score: Score, lead_in: int, count: int, sample_rate: int) -> Wave:
    """Gain over time that dips at each bass drum and recovers within an eighth note or so."""
    gain = np.ones(count, np.float32)
    if score.mix.duck <= 0:
        return gain
    length = int(0.28 * sample_rate)
    dip = 1 - score.mix.duck * np.cos(np.linspace(0, np.pi / 2, length, dtype=np.float32)) ** 2
    for kick in score.kicks:
        at = lead_in + round(kick * sample_rate)
        if 0 <= at < count:
            size = min(length, count - at)
            gain[at : at + size] = np.minimum(gain[at : at + size], dip[:size])
    return gain


def _room(dry: Wave, send: Wave, mix: Mix, sample_rate: int, rng: np.random.Generator) -> Wave:
    """Dry sound plus a room: noise that decays by 60 dB in `mix.room` seconds, duller as it fades."""
    seconds = min(mix.room, _MAX_ROOM)
    count = int(seconds * sample_rate)
    time = np.arange(count, dtype=np.float32) / sample_rate
    noise = rng.standard_normal(count, dtype=np.float32)
    dull = lfilter([0.35], [1, -0.65], noise).astype(np.float32)
    response = (noise * np.exp(-11.5 / seconds * time) * 0.5 + dull * np.exp(-6.91 / seconds * time)).astype(np.float32)
    response[: int(0.012 * sample_rate)] = 0
    response /= np.sqrt(np.sum(np.square(response)) + 1e-12)
    size = next_fast_len(dry.size + count, real=True)
    wet: Wave = irfft(rfft(send, size) * rfft(response, size), size)[: dry.size].astype(np.float32)
    return dry + np.float32(mix.wet) * wet


def master(wave: Wave, mix: Mix, sample_rate: int, rng: np.random.Generator) -> Wave:
    """Tone, compression and level of the finished mix."""
    treble = lfilter(*butter(1, 1200, "high", fs=sample_rate), wave)
    wave = (wave + (10 ** (mix.tilt / 20) - 1) * treble).astype(np.float32)
    if mix.top is not None:
        wave = sosfilt(butter(3, mix.top, fs=sample_rate, output="sos"), wave).astype(np.float32)
    wave = _compress(wave, mix.squeeze, sample_rate)
    if mix.crackle:
        wave = wave + mix.crackle * _crackle(wave, sample_rate, rng)
    wave = wave - wave.mean()
    largest = float(np.abs(wave).max())
    return (wave * (mix.peak / largest)).astype(np.float32) if largest > 0 else wave


def _compress(wave: Wave, squeeze: float, sample_rate: int) -> Wave:
    """Gain reduction by `squeeze` of what exceeds the mean level, with a gain that moves over some 30 ms."""
    block = int(0.01 * sample_rate)
    blocks = -(-wave.size // block)
    padded = np.pad(wave, (0, blocks * block - wave.size)).reshape(blocks, block)
    level = np.sqrt(np.mean(np.square(padded), axis=1) + 1e-12)
    over = np.maximum(level / (np.sqrt(np.mean(np.square(level))) + 1e-12), 1.0)
    gain = np.convolve(np.pad(over ** -np.clip(squeeze, 0, 1), 1, mode="edge"), [0.25, 0.5, 0.25], "valid")
    centres = (np.arange(blocks) + 0.5) * block
    return (wave * np.interp(np.arange(wave.size), centres, gain)).astype(np.float32)


def _crackle(wave: Wave, sample_rate: int, rng: np.random.Generator) -> Wave:
    """Dust on vinyl: a dozen or so faint clicks a second, relative to the loudness of `wave`."""
    clicks = np.zeros(wave.size, np.float32)
    count = rng.poisson(14 * wave.size / sample_rate)
    clicks[rng.integers(0, wave.size, count)] = rng.standard_normal(count) * rng.uniform(0.3, 2.0, count)
    coloured = lfilter(*butter(1, [800, 0.4 * sample_rate], "band", fs=sample_rate), clicks)
    dust: Wave = (coloured * np.sqrt(np.mean(np.square(wave)))).astype(np.float32)
    return dust
