"""Small folders of music, and judges that know nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from musicldm.audio.mel import MelSpec
from musicldm.listeners.judges import DRUMS, Judges, build_net

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


@pytest.fixture(scope="session")
def judges_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Untrained judges with a card; read it, never change it."""
    classes = {"genre": ("ambient", "techno"), "drums": DRUMS, "lead": ("flute", "none"), "quality": ("clean", "noisy")}
    folder = tmp_path_factory.mktemp("judges") / "some"
    torch.manual_seed(0)
    card = {"held_out": {"genre": 0.9, "drums": 0.8, "lead": 0.7, "quality": 0.6}, "clips": {"train": 12}}
    Judges(build_net(classes, (8, 8), MelSpec()), classes, (8, 8), MelSpec(), card).save(folder)
    return folder
