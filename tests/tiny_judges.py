"""Clips whose attributes can be seen in their log-mels, and judges that are trained on such clips."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from musicldm.audio.mel import MelSpec
from musicldm.data.store import ClipRow
from musicldm.listeners.judges import Judges
from musicldm.training.loop.options import LoopOptions
from musicldm.training.loop.trainer import Loop
from musicldm.training.tasks.judges import FOLDER, JudgeRecipe, JudgeTask, Reconstructions

GENRES = ("ambient", "funk", "house")
RECIPE = JudgeRecipe(channels=(8, 16, 24), crop_frames=64, batch_size=16)


@dataclass(frozen=True)
class Clips:
    """What a task needs of a `ClipStore`."""

    mels: np.ndarray
    rows: Sequence[ClipRow]
    spec: MelSpec = MelSpec()  # noqa: RUF009 - frozen
    folder: Path = Path("clips")

    def __len__(self) -> int:
        return len(self.rows)


def row(genre: str, drums: bool, family: str | None, quality: str, bpm: float = 100.0) -> ClipRow:
    parts = [{"name": "x", "family": "bass", "role": "bass"}]
    parts += [{"name": "y", "family": family, "role": "lead"}] if family else []
    fields = {"genre": genre, "drums": drums, "instruments": parts, "quality": quality, "bpm": bpm}
    return ClipRow("x.flac", ("x",), fields)


def corpus(count: int, seed: int) -> tuple[np.ndarray, list[ClipRow]]:
    """Log-mels whose genre is a band, drums a pulse, lead an upper band, quality the missing treble."""
    rng = np.random.default_rng(seed)
    mels, rows = np.full((count, 96, 64), -6.0), []
    # A click is as long as the analysis window: 64 ms, six frames.
    hit = np.tile(np.concatenate([np.hanning(8)[1:-1], np.zeros(10)]), 6)
    for mel in mels:
        genre, drums, lead, muffled = rng.integers(3), rng.integers(2), rng.integers(2), rng.integers(2)
        mel[:, 8 * genre + 4 : 8 * genre + 8] += 4
        if drums:
            mel += 4 * hit[:, None]
        mel[:, 36:40] += 4 * lead
        mel[:, 48:] -= 5 * muffled
        mel += rng.normal(0, 0.5, mel.shape)
        quality = "muffled" if muffled else "clean"
        rows.append(row(GENRES[genre], bool(drums), "flute" if lead else None, quality))
    return mels.astype(np.float16), rows


def trained_judges(
    out: Path,
    train: Clips,
    *,
    recipe: JudgeRecipe = RECIPE,
    steps: int = 60,
    seed: int = 0,
    reconstructions: Reconstructions | None = None,
) -> Judges:
    """The judges of a training in the folder `out`."""
    torch.manual_seed(seed)
    task = JudgeTask(recipe, train, Clips(*corpus(20, 9)), reconstructions=reconstructions)
    Loop(task, LoopOptions(out, steps=steps, seed=seed, device="cpu")).run()
    return Judges.load(out / FOLDER)
