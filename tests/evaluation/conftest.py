"""Small folders of music."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import soundfile

RATE = 16000
PROMPTS = (
    "calm piano",
    "fast techno with drums, 120 BPM",
    "jazz guitar",
    "dark ambient synth",
    "loud rock",
    "soft strings",
)


def tone(hertz: float, seconds: float = 1.2, rate: int = RATE) -> np.ndarray:
    time = np.arange(round(seconds * rate)) / rate
    return (0.3 * np.sin(2 * np.pi * hertz * time) * (1 + np.sin(2 * np.pi * time))).astype(np.float32)


def write_music(
    folder: Path, count: int = 6, *, prompts: bool = True, seconds: float = 1.2, first: float = 200
) -> Path:
    """Tones 0.wav, 1.wav, … with their prompts and genres in metadata.jsonl."""
    folder.mkdir(parents=True)
    lines = []
    for index in range(count):
        soundfile.write(folder / f"{index}.wav", tone(first * 1.2**index, seconds), RATE)
        fields = {"genre": "ambient" if index % 2 else "techno", "drums": index % 2 == 0}
        lines.append(json.dumps({"file_name": f"{index}.wav", "text": PROMPTS[index % len(PROMPTS)], **fields}))
    if prompts:
        (folder / "metadata.jsonl").write_text("\n".join(lines) + "\n")
    return folder
