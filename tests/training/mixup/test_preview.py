import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from musicldm.data.manifest import PrepareSettings
from musicldm.data.prepare import prepare
from musicldm.data.store import ClipStore
from musicldm.errors import DataError
from musicldm.machine.parallel import WorkerPool
from musicldm.training.mixup.mixing import MixupOptions
from musicldm.training.mixup.preview import Example, examples, picture

RATE, SECONDS, HOP = 16000, 8.0, 160


@pytest.fixture(scope="module")
def clicks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips of 120 BPM that click on every downbeat, each from its own moment on; prepared."""
    folder = tmp_path_factory.mktemp("clicks")
    (folder / "src").mkdir()
    lines = []
    for index in range(4):
        downbeats = np.arange(0.1 + 0.137 * index, SECONDS, 2.0)
        wave = np.zeros(round(SECONDS * RATE), np.float32)
        wave[np.round(downbeats * RATE).astype(int)] = 0.5
        soundfile.write(folder / "src" / f"{index}.wav", wave, RATE, subtype="FLOAT")
        beats = np.arange(downbeats[0], SECONDS, 0.5)
        row = {"file_name": f"{index}.wav", "text": "clicks", "beats": beats.tolist(), "downbeats": downbeats.tolist()}
        lines.append(json.dumps(row) + "\n")
    (folder / "src" / "metadata.jsonl").write_text("".join(lines))
    settings = PrepareSettings(seconds=SECONDS, normalize="none")
    prepare(folder / "src", folder / "data", settings, pool=WorkerPool(workers=1))
    return folder / "data"


def levels(waves: np.ndarray) -> np.ndarray:
    """A codec that keeps the peak of every 10 ms: moments (n, 2, frames, 1)."""
    peaks = np.abs(waves).reshape(len(waves), -1, HOP).max(axis=2)
    return np.stack([peaks, 0 * peaks], axis=1)[..., None].astype(np.float32)


def pulses(latents: np.ndarray) -> np.ndarray:
    waves = np.zeros((len(latents), latents.shape[2] * HOP), np.float32)
    waves[:, ::HOP] = latents[:, 0, :, 0]
    return waves


class Pulses:
    """A model of pulses; previews embed nothing."""

    sample_rate = RATE

    def encode(self, waves: np.ndarray) -> np.ndarray:
        return levels(waves)

    def decode(self, latents: np.ndarray) -> np.ndarray:
        return pulses(latents)

    def embed_waves(self, waves: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        raise NotImplementedError


def onsets(wave: np.ndarray) -> np.ndarray:
    return np.flatnonzero(wave > 0.02) / RATE


@pytest.mark.parametrize(("kind", "off"), [("bam", 0.005), ("blm", HOP / RATE)])
def test_the_downbeats_of_both_sources_fall_together_in_the_mixture(clicks: Path, kind: str, off: float) -> None:
    options = MixupOptions(kind, other_partner=True)
    made = list(examples(ClipStore(clicks), options, Pulses(), 4, seed=1))
    assert len(made) == 4
    for one in made:
        assert one.names[0] != one.names[1]
        assert len(one.anchor) == len(one.partner) == len(one.mixture) >= 0.4 * SECONDS * RATE - HOP
        for times in one.downbeats:
            assert times[0] == pytest.approx(0, abs=1e-6)
            heard = onsets(one.mixture)
            assert np.abs(heard[:, None] - np.array(times)).min(axis=0).max() <= off + 1e-6
            assert np.abs(heard[:, None] - np.array(times)).min(axis=1).max() <= off + 1e-6
        for wave, times in zip((one.anchor, one.partner), one.downbeats, strict=True):
            assert np.abs(onsets(wave)[:, None] - np.array(times)).min(axis=0).max() < 0.001


def test_clips_without_partners_are_refused(clicks: Path) -> None:
    options = MixupOptions("bam", other_partner=True)
    with pytest.raises(DataError, match=r"no clip in .* has a partner to be mixed with by 'bam'"):
        list(examples(ClipStore(clicks).part([0]), options, None, 3))


def test_the_picture_has_a_line_at_every_downbeat(clicks: Path) -> None:
    (one,) = examples(ClipStore(clicks), MixupOptions("bam"), None, 1)
    image = np.asarray(Image.open(io.BytesIO(picture(one, RATE, "title"))).convert("RGB")).astype(int)
    bare = Example(one.anchor, one.partner, one.mixture, ((), ()), one.beats, one.names, one.pairing)
    without = np.asarray(Image.open(io.BytesIO(picture(bare, RATE, "title"))).convert("RGB")).astype(int)
    red = [(i[..., 0] - i[..., 2] > 120) & (i[..., 0] - i[..., 1] > 120) for i in (image, without)]
    columns = np.flatnonzero(red[0].any(axis=0))
    assert not red[1].any()
    assert len(np.split(columns, np.flatnonzero(np.diff(columns) > 5) + 1)) == len(one.downbeats[0])
