"""A corpus of a dozen short tones, and recipes small enough to train on in seconds."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from musicldm.data.manifest import PrepareSettings
from musicldm.data.prepare import prepare
from musicldm.data.store import ClipStore
from musicldm.machine.parallel import WorkerPool

CLIPS = 12
SAMPLES = 16000


@pytest.fixture(scope="session")
def tone_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared folder."""
    folder = tmp_path_factory.mktemp("tones") / "corpus"
    folder.mkdir()
    rng = np.random.default_rng(0)
    lines = []
    for index in range(CLIPS):
        time = np.arange(SAMPLES) / 16000
        wave = 0.3 * np.sin(2 * np.pi * (200 + 50 * index) * time) + 0.01 * rng.standard_normal(SAMPLES)
        soundfile.write(folder / f"{index:02}.flac", wave.astype(np.float32), 16000)
        captions = [f"tone {index}", f"a sine of {200 + 50 * index} hertz"]
        entry = {"file_name": f"{index:02}.flac", "text": captions[0], "captions": captions, "seed": index}
        beats = {"beats": [0.1, 0.3, 0.5, 0.7, 0.9], "downbeats": [0.1, 0.5, 0.9]}
        lines.append(json.dumps(entry | beats))
    (folder / "metadata.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    settings = PrepareSettings(seconds=SAMPLES / 16000, normalize="none", beats="metadata")
    prepare(folder, folder.parent / "data", settings, pool=WorkerPool(workers=1))
    return folder.parent / "data"


@pytest.fixture(scope="session")
def tones(tone_corpus: Path) -> ClipStore:
    return ClipStore(tone_corpus)
