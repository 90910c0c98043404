"""Small synthetic pieces of music, and an embedder of them that loads no network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from musicldm.audio import Wave
from musicldm.listeners.embedders import Embedder, Identity

RATE = 16000


def melody(seed: int, seconds: float = 6.0, semitones: float = 0.0) -> Wave:
    """Random notes of four partials, seven a second, over a drum loop that all pieces share; peak 0.5."""
    rng = np.random.default_rng(seed)
    wave = np.zeros(round(seconds * RATE))
    for _ in range(round(7 * seconds)):
        start = rng.integers(0, len(wave) - RATE // 4)
        time = np.arange(min(RATE // 2, len(wave) - start)) / RATE
        pitch = 220 * 2 ** ((rng.integers(0, 30) + semitones) / 12)
        wave[start : start + len(time)] += rng.uniform(0.4, 1) * _note(pitch, time)
    for beat in np.arange(0, seconds - 0.1, 0.5):
        hit = np.random.default_rng(0).standard_normal(RATE // 20) * np.exp(-np.arange(RATE // 20) / 200)
        wave[round(beat * RATE) : round(beat * RATE) + len(hit)] += hit
    return np.asarray(0.5 * wave / np.abs(wave).max(), np.float32)


def _note(pitch: float, time: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    partials = sum(np.sin(2 * np.pi * n * pitch * time) / n for n in range(1, 5))
    return np.asarray(partials * np.exp(-4 * time))


def tiny_embedder(width: int = 24, weights: str = "0123456789abcdef") -> Embedder:
    """Waves to unit vectors (n, width): how loud bands are, on a random basis."""
    basis = np.random.default_rng(1).standard_normal((64, width)).astype(np.float32)

    def audio(waves: Wave) -> Wave:
        power = np.abs(np.fft.rfft(waves, axis=1)) ** 2
        edges = np.geomspace(20, power.shape[1] - 1, 65).astype(int)
        bands = np.add.reduceat(power, edges[:-1], axis=1)[:, :64]
        out = np.log(bands / bands.mean(axis=1, keepdims=True) + 1e-3) @ basis
        return np.asarray(out / np.linalg.norm(out, axis=1, keepdims=True), np.float32)

    return Embedder(Identity("tiny", weights, RATE, "none", width), audio)


def save(folder, waves: Sequence[Wave], **fields: object) -> None:
    """As a folder of audio with metadata, one file a wave."""
    import json

    import soundfile

    folder.mkdir(parents=True)
    rows = []
    for number, wave in enumerate(waves):
        soundfile.write(folder / f"{number}.wav", wave, RATE, subtype="PCM_16")
        rows.append({"file_name": f"{number}.wav", "text": "music", **fields})
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
