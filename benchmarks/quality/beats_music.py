"""Music of exactly known beats for `benchmarks.quality.beats`: composed, played by FluidSynth, or synthesised."""

from __future__ import annotations

import itertools
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from musicldm.audio.reading import read
from musicldm.corpus.build import ClipMaker, ClipSettings
from musicldm.corpus.composing.arrangement import compose
from musicldm.corpus.composing.score import Score
from musicldm.corpus.sound.instruments import DRUM_BANK

Wave = npt.NDArray[np.float32]
RATE = 44100
"""Of what is synthesised here; the corpus' own clips have 16,000 Hz."""
TICKS = 480
DRUM_CHANNEL = 9


@dataclass(frozen=True)
class Piece:
    """A wave (samples,) at `rate` Hz; its beats and downbeats in seconds; its tempo in BPM, None where it changes."""

    wave: Wave
    rate: int
    beats: tuple[float, ...]
    downbeats: tuple[float, ...]
    bpm: float | None
    meter: int


def composed(font: Path, seed: int, count: int, seconds: float = 10.24) -> Iterator[Piece]:
    """Clips as `musicldm corpus` makes them, degraded ones among them, at 16 kHz."""
    maker = ClipMaker(Path(), ClipSettings(seed, seconds, 16000, "flac", (str(font),)))
    for index in range(count):
        truth, wave = maker.clip(index)
        yield Piece(wave, 16000, truth.beats, truth.downbeats, truth.bpm, _beats_a_bar(truth.meter))


def _beats_a_bar(meter: str) -> int:
    return {"4/4": 4, "3/4": 3, "6/8": 2, "5/4": 5, "7/8": 3, "12/8": 4}[meter]


def fluidsynth_installed() -> bool:
    return shutil.which("fluidsynth") is not None


def played(font: Path, seed: int, count: int, seconds: float = 10.24) -> Iterator[Piece]:
    """Composed scores as MIDI files through FluidSynth: another synthesiser, General MIDI's own balance, 44.1 kHz.

    Scores with a part that has no General MIDI program are left out.
    """
    with tempfile.TemporaryDirectory() as folder:
        midi, sound = Path(folder) / "score.mid", Path(folder) / "score.wav"
        scores = (compose(seed * 10**8 + index, seconds=seconds) for index in itertools.count())
        playable = (score for score in scores if all(stem.instrument.program is not None for stem in score.stems))
        for score in itertools.islice(playable, count):
            midi.write_bytes(midi_file(score))
            command = ["fluidsynth", "-ni", "-g", "0.6", "-r", str(RATE), "-F", str(sound), str(font), str(midi)]
            subprocess.run(command, check=True, capture_output=True)
            wave, rate = read(sound)
            truth = score.truth
            end = round(seconds * rate)
            yield Piece(wave[:end], rate, truth.beats, truth.downbeats, truth.bpm, _beats_a_bar(truth.meter))


def midi_file(score: Score) -> bytes:
    """A score as a standard MIDI file of format 0, a second of 960 ticks; notes begun before the clip start with it."""
    events: list[tuple[int, int, bytes]] = []
    channels = iter(channel for channel in range(16) if channel != DRUM_CHANNEL)
    for stem in score.stems:
        drums = stem.instrument.bank == DRUM_BANK
        channel = DRUM_CHANNEL if drums else next(channels)
        assert stem.instrument.program is not None
        events.append((0, 0, bytes([0xC0 | channel, stem.instrument.program])))
        for note in stem.notes:
            if note.end <= 0 or (note.start < -0.05 and drums):
                continue
            start, end = (round(max(moment, 0) * 2 * TICKS) for moment in (note.start, note.end))
            events.append((start, 2, bytes([0x90 | channel, note.pitch, note.velocity])))
            events.append((max(end, start + 1), 1, bytes([0x80 | channel, note.pitch, 0])))
    track, before = b"", 0
    for tick, _, message in sorted(events):
        track += _variable_length(tick - before) + message
        before = tick
    track += b"\x00\xff\x2f\x00"
    return b"MThd" + struct.pack(">IHHH", 6, 0, 1, TICKS) + b"MTrk" + struct.pack(">I", len(track)) + track


def _variable_length(value: int) -> bytes:
    out = [value & 0x7F]
    while value := value >> 7:
        out.append(0x80 | value & 0x7F)
    return bytes(reversed(out))


@dataclass(frozen=True)
class Groove:
    """A bar of plain drums: `steps` to a beat, and the steps at which kick, snare and hat sound."""

    beats: int
    steps: int
    kick: tuple[int, ...]
    snare: tuple[int, ...]
    hat: tuple[int, ...]


GROOVES = {
    "4/4": Groove(4, 2, (0, 4, 5), (2, 6), tuple(range(8))),
    "3/4": Groove(3, 2, (0,), (2, 4), (0, 2, 3, 4, 5)),
    "6/8": Groove(2, 3, (0,), (3,), tuple(range(6))),
    "5/4": Groove(5, 2, (0, 5), (2, 6, 8), tuple(range(10))),
}
TEMPI = {"4/4": (70, 170), "3/4": (80, 180), "6/8": (45, 90), "5/4": (90, 180)}


def synthesised(
    groove: str, seed: int, count: int, *, change: bool = False, drums: bool = True, seconds: float = 20.0
) -> Iterator[Piece]:
    """Sines, decays and noise, no sound font: bass and triads on a scale, a melody, and drums where wanted.

    Args:
        groove: of `GROOVES`.
        seed: of all draws.
        count: pieces.
        change: the tempo jumps by up to a third up or down somewhere in the middle.
        drums: whether there are any.
        seconds: length of a piece.
    """
    for index in range(count):
        rng = np.random.default_rng([seed, index])
        bpm = float(rng.uniform(*TEMPI[groove]))
        later = bpm * float(rng.choice([rng.uniform(0.75, 0.9), rng.uniform(1.1, 1.33)])) if change else bpm
        turn = int(rng.uniform(0.35, 0.65) * seconds * bpm / 60)
        gaps = np.where(np.arange(int(seconds * 4)) < turn, 60 / bpm, 60 / later)
        beats = np.concatenate([[0.0], np.cumsum(gaps)]) + float(rng.uniform(0.05, 0.6))
        wave = _arranged(GROOVES[groove], beats, round(seconds * RATE), drums, rng)
        beats = beats[beats < seconds - 0.05]
        bar = GROOVES[groove].beats
        yield Piece(wave, RATE, tuple(beats), tuple(beats[::bar]), None if change else bpm, bar)


def _arranged(
    groove: Groove, beats: npt.NDArray[np.float64], length: int, drums: bool, rng: np.random.Generator
) -> Wave:
    out = np.zeros(length)
    grid = np.interp(np.arange((len(beats) - 1) * groove.steps) / groove.steps, np.arange(len(beats)), beats)
    scale = 12 * np.log2(rng.uniform(100, 200) / 440) + np.array([0, 2, 3, 5, 7, 8, 10])
    bar_steps = groove.beats * groove.steps
    roots = rng.integers(0, 7, len(grid) // bar_steps + 1)
    voices: Sequence[tuple[tuple[int, ...], Callable[[np.random.Generator], npt.NDArray[np.float64]], float]] = (
        (groove.kick, _kick, 0.8),
        (groove.snare, _snare, 0.5),
        (groove.hat, _hat, 0.2),
    )
    for step, moment in enumerate(grid):
        bar, place = divmod(step, bar_steps)
        degree = int(roots[bar])
        if drums:
            for places, sound, level in voices:
                if place in places:
                    _put(out, moment, level * sound(rng))
        if place == 0:
            length_of_bar = float(beats[min((bar + 1) * groove.beats, len(beats) - 1)] - beats[bar * groove.beats])
            for third in (0, 2, 4):
                _put(out, moment, 0.12 * _tone(_pitch(scale, degree + third), length_of_bar))
        if place % groove.steps == 0 and (place == 0 or rng.random() < 0.7):
            _put(out, moment, 0.35 * _tone(_pitch(scale, degree) / 2, 0.35))
        if rng.random() < (0.8 if place % groove.steps == 0 else 0.35):
            _put(out, moment, 0.25 * _tone(2 * _pitch(scale, int(rng.integers(0, 10))), 0.25))
    return np.asarray(0.9 * out / np.abs(out).max(), dtype=np.float32)


def _pitch(scale: npt.NDArray[np.float64], degree: int) -> float:
    return float(440 * 2 ** ((scale[degree % 7] + 12 * (degree // 7)) / 12))


def _put(out: npt.NDArray[np.float64], moment: float, sound: npt.NDArray[np.float64]) -> None:
    start = round(moment * RATE)
    sound = sound[: max(len(out) - start, 0)]
    out[start : start + len(sound)] += sound


def _tone(hertz: float, seconds: float) -> npt.NDArray[np.float64]:
    time = np.arange(round(seconds * RATE)) / RATE
    rise = np.minimum(time / 0.008, 1) * np.minimum((seconds - time) / 0.01, 1)
    partials = sum(np.sin(2 * np.pi * k * hertz * time) / k**1.5 for k in range(1, 6))
    return np.asarray(rise * np.exp(-time / (0.4 + seconds / 2)) * partials)


def _kick(_: np.random.Generator) -> npt.NDArray[np.float64]:
    time = np.arange(round(0.2 * RATE)) / RATE
    return np.asarray(np.exp(-time / 0.06) * np.sin(2 * np.pi * (50 * time - 4 * np.exp(-time / 0.03))))


def _snare(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    time = np.arange(round(0.15 * RATE)) / RATE
    noise = rng.standard_normal(len(time)) * 0.4
    return np.asarray(np.exp(-time / 0.04) * (noise + 0.5 * np.sin(2 * np.pi * 190 * time)))


def _hat(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    time = np.arange(round(0.05 * RATE)) / RATE
    return np.asarray(np.exp(-time / 0.012) * np.diff(rng.standard_normal(len(time) + 1)) * 0.5)
